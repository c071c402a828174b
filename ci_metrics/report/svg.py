"""A chart's SVG made fit for the page: colours from the page's style sheet, titles to hover, no clutter for screen readers.

What belongs here: rewriting the SVG that the chart library drew. Does not: drawing (`charts.py`).

A static picture knows one colour scheme. So the charts are drawn with stand-in colours, and each becomes a CSS variable here:
the page's light and dark themes then colour the same picture.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"

ET.register_namespace("", _SVG)

#: Attributes that describe the picture's parts: the figure's own label and its table say it better.
_NOISE = ("role", "aria-roledescription", "aria-hidden", "pointer-events", "class", "font-family", "target", "cursor")

_SPACES = re.compile(r">\s+<")
_LONG_DECIMALS = re.compile(r"(\d+\.\d)\d+")
_NUMERIC = ("d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height")
_EMPTY = ("", "M0,0h0v0h0Z")


def fit_for_page(svg: str, *, name: str, label: str, colours: Mapping[str, str]) -> str:
    """The SVG, ready to stand inside HTML.

    `name` prefixes every id, so that two charts on a page do not share one; `label` is the accessible name; `colours`
    maps stand-ins (`#00000a`) to CSS variables (`--bad`). Text is escaped by the serialiser, whatever it came from.
    """
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get("display") == "none" or child.get("opacity") == "0" or child.get("d") in _EMPTY:
                parent.remove(child)
    for element in root.iter():
        _describe(element)
        _shorten(element)
        _colour(element, colours)
        _rename(element, name)
    width, height = root.get("width", "0"), root.get("height", "0")
    root.attrib = {
        "viewBox": root.get("viewBox", f"0 0 {width} {height}"),
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": label,
    }
    text = ET.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG}"', "", 1)
    return _SPACES.sub("><", text)


def _describe(element: ET.Element) -> None:
    """What the library says to screen readers becomes a title to hover; links lead within the page only."""
    label = element.attrib.pop("aria-label", None)
    for attribute in _NOISE:
        element.attrib.pop(attribute, None)
    if label and element.tag == f"{{{_SVG}}}path":
        title = ET.Element(f"{{{_SVG}}}title")
        title.text = label
        element.insert(0, title)
    href = element.attrib.pop(_XLINK, None) or element.attrib.pop("href", None)
    if element.tag == f"{{{_SVG}}}a":
        element.attrib.clear()
        # The library makes addresses absolute; ours are all within the page.
        _, within, fragment = (href or "").partition("#")
        if within:
            # The table below the chart carries the same links for the keyboard.
            element.set("href", f"#{fragment}")
            element.set("tabindex", "-1")


def _shorten(element: ET.Element) -> None:
    if element.get("opacity") == "1":
        del element.attrib["opacity"]
    for attribute in _NUMERIC:
        value = element.get(attribute)
        if value:
            element.set(attribute, _LONG_DECIMALS.sub(r"\1", value))


def _colour(element: ET.Element, colours: Mapping[str, str]) -> None:
    for attribute in ("fill", "stroke"):
        variable = colours.get(element.get(attribute, "").lower())
        if variable:
            element.set(attribute, f"var({variable})")


def _rename(element: ET.Element, name: str) -> None:
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.get('id')}")
    for attribute in ("clip-path", "fill", "stroke"):
        value = element.get(attribute, "")
        if value.startswith("url(#"):
            element.set(attribute, f"url(#{name}-{value[5:]}")
