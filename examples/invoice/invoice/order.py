"""What an invoice is about: checked when it is made, so that a template never meets nonsense."""

from decimal import Decimal

import attrs
from attrs import validators


@attrs.frozen
class Line:
    title: str = attrs.field(validator=validators.min_len(1))
    price: Decimal = attrs.field(
        converter=lambda text: Decimal(str(text)), validator=validators.ge(0)
    )
    count: int = attrs.field(default=1, validator=[validators.instance_of(int), validators.gt(0)])

    @property
    def total(self) -> Decimal:
        return self.price * self.count


@attrs.frozen
class Order:
    customer: str = attrs.field(validator=validators.min_len(1))
    lines: list[Line] = attrs.field(converter=lambda rows: [Line(**row) for row in rows])

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines), Decimal())
