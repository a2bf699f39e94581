"""Dragging over a chart, with a mouse or a finger."""

from playwright.sync_api import Page


def drag(page: Page, places: list[float], y: float, by: str) -> None:
    """Drag from the first place through the others."""
    if by == "mouse":
        page.mouse.move(places[0], y)
        page.mouse.down()
        for x in places[1:]:
            page.mouse.move(x, y, steps=3)
        page.mouse.up()
        return
    device = page.context.new_cdp_session(page)
    for kind, touched in (("touchStart", places[:1]), *(("touchMove", [x]) for x in places[1:]), ("touchEnd", [])):
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x in touched]})
