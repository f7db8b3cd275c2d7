"""Charts in the style of the drawings: lines, heat maps and grids of images, as SVG or PNG."""

from netruntime.charts.canvas import Canvas
from netruntime.charts.heat_map import draw_heat_map, heat_map
from netruntime.charts.image_grid import draw_image_grid, image_grid
from netruntime.charts.line_chart import Chart, Series, draw_line_charts, line_chart, line_charts
from netruntime.charts.saving import save
from netruntime.charts.to_svg import to_svg

__all__ = [
    "Canvas",
    "Chart",
    "Series",
    "draw_heat_map",
    "draw_image_grid",
    "draw_line_charts",
    "heat_map",
    "image_grid",
    "line_chart",
    "line_charts",
    "save",
    "to_svg",
]
