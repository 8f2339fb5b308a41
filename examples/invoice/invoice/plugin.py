"""The plug-in: an order as JSON in, an invoice as HTML out."""

from jinja2 import Environment, PackageLoader, StrictUndefined

import extism

from .order import Order

# Read and compiled when the plug-in is built; each call renders only.
pages = Environment(loader=PackageLoader("invoice"), autoescape=True, undefined=StrictUndefined)
INVOICE = pages.get_template("invoice.html")


@extism.plugin_fn
def render():
    order = Order(**extism.input_json())
    extism.output_str(INVOICE.render(order=order))
