"""The plug-in: rules for reminders in, the next days and a settings file out; typed, with plain dataclasses."""

from dataclasses import asdict, dataclass, field

import tomli_w
from dateutil.parser import parse
from dateutil.rrule import rrulestr

import extism


@dataclass
class Reminder:
    title: str
    begins: str
    rule: str
    tags: list[str] = field(default_factory=list)


@dataclass
class Days:
    title: str
    days: list[str]


@extism.plugin_fn
def next_days(reminder: Reminder) -> Days:
    rule = rrulestr(reminder.rule, dtstart=parse(reminder.begins))
    return Days(reminder.title, [day.date().isoformat() for day in rule[:5]])


@extism.plugin_fn
def settings(reminders: list[Reminder]) -> str:
    rows = [{**asdict(each), "begins": parse(each.begins)} for each in reminders]
    return tomli_w.dumps({"reminder": rows})
