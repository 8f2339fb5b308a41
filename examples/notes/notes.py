# /// script
# requires-python = ">=3.11"
# dependencies = ["markdown==3.11.3", "pyyaml==6.0.3"]
# ///
"""The plug-in: a note with YAML at its head in, its data and its HTML out."""

import markdown
import yaml

import extism


@extism.plugin_fn
def convert():
    head, body = split(extism.input_str())
    html = markdown.markdown(body, extensions=["tables", "fenced_code"])
    extism.output_json({"data": head, "html": html})


@extism.plugin_fn
def tidy():
    head, body = split(extism.input_str())
    said = yaml.safe_dump(head, sort_keys=True, allow_unicode=True)
    extism.output_str(f"---\n{said}---\n{body}")


def split(note):
    if not note.startswith("---\n"):
        return {}, note
    head, _, body = note.removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(head) or {}, body
