"""Shapes that the dashboards share: every panel has a title, a description, a unit and its place.

Schema v1 of Grafana; colours say good (green), look (orange), bad (red), and nothing else. What names a coin leads
to that coin's dashboard.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as dash
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeSizing,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    MatcherConfig,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from shared.messages import SILENT_MS

SILENT_S = SILENT_MS // 1000
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
BPS = "suffix: bps"
"""Grafana has no basis points of its own."""

COIN_BOARD = "mm-coin"
Place = tuple[int, int, int, int]
"""x, y, width, height on the grid of 24 columns; y counts from the top of the section."""
MISSED_SCRAPES_MS = 20_000
"""A line goes on over a shorter hole."""
Query = tuple[str, str]
"""PromQL and the legend of its series."""


def steps(base: str, *edges: tuple[float, str]) -> dash.ThresholdsConfig:
    """Colours from the lowest value up."""
    return (
        dash.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(color=base), *(Threshold(value=value, color=color) for value, color in edges)])
    )


def words(table_of: Mapping[str, tuple[str, str]]) -> ValueMap:
    """Values shown as a word in a colour."""
    return ValueMap(
        {
            value: ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(table_of.items())
        }
    )


def any_other_word(color: str) -> RegexMap:
    """Every text the table before did not name, as it is."""
    return RegexMap(
        DashboardRegexMapOptions(pattern="(.+)", result=ValueMappingResult(text="$1", color=color, index=9))
    )


def _place(panel: Any, place: Place, title: str, description: str, unit: str) -> Any:
    x, y, w, h = place
    panel.title(title).description(description).datasource(SOURCE).unit(unit)
    return panel.grid_pos(GridPos(x=x, y=y, w=w, h=h))


def _to_coin(name: str) -> dict[str, Any]:
    """A link of a field to the dashboard of the coin that `name` (a variable of Grafana's) holds."""
    url = f"/d/{COIN_BOARD}/coin?var-coin=${{{name}}}&${{__url_time_range}}"
    return {"title": f"Look at ${{{name}}}", "url": url, "targetBlank": False}


def _link_coins(panel: Any, queries: Sequence[Query]) -> None:
    if any("{{asset}}" in legend for _, legend in queries):
        link = DynamicConfigValue(id_val="links", value=[_to_coin("__field.labels.asset")])
        panel.override_by_regexp("/.*/", [link])


def _ask(panel: Any, queries: Sequence[Query], instant: bool = False) -> Any:
    for index, (expr, legend) in enumerate(queries):
        query = Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + index))
        panel.with_target(query.instant() if instant else query.range())
    _link_coins(panel, queries)
    return panel


def number(
    place: Place,
    title: str,
    description: str,
    query: Query | Sequence[Query],
    unit: str,
    *,
    colours: dash.ThresholdsConfig | None = None,
    mapped: ValueMap | None = None,
    decimals: int | None = None,
    named: bool = False,
    filled: bool = False,
    empty: str | None = None,
) -> stat.Panel:
    """One big number, or several with their legends; `named` shows the legend instead of the value, `filled`
    paints the whole panel in its colour, `empty` is what to say where there is none."""
    queries = [query] if isinstance(query, tuple) else query
    panel = _ask(_place(stat.Panel(), place, title, description, unit), queries, instant=True)
    panel.color_mode(BigValueColorMode.BACKGROUND_SOLID if filled else BigValueColorMode.VALUE)
    panel.graph_mode(BigValueGraphMode.NONE)
    beside = BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else BigValueTextMode.VALUE
    panel.text_mode(BigValueTextMode.NAME if named else beside)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(colours or steps("text"))
    panel.color_scheme(dash.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    if mapped:
        panel.mappings([mapped])
    if decimals is not None:
        panel.decimals(decimals)
    if empty:
        panel.no_value(empty)
    return panel  # type: ignore[no-any-return]


def lines(
    place: Place,
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    stacked: bool = False,
    beside: bool = False,
    low: float | None = None,
    high: float | None = None,
    decimals: int | None = None,
    at_least: float | None = None,
    looks: Mapping[str, Mapping[str, Any]] | None = None,
    empty: str | None = None,
) -> timeseries.Panel:
    """Lines over time; `beside` puts a legend with last values to the right, for many coins.

    `at_least` is a highest value of the axis below which it never shrinks; `looks` are properties of the series
    whose legend matches a pattern; `empty` says why there may be no line.
    """
    panel = _ask(_place(timeseries.Panel(), place, title, description, unit), queries)
    panel.line_width(1).fill_opacity(30 if stacked else 0).show_points(VisibilityMode.NEVER)
    panel.span_nulls(MISSED_SCRAPES_MS)
    panel.color_scheme(dash.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    legend = common.VizLegendOptions().show_legend(True)
    if beside:
        legend.display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT).calcs(["lastNotNull"])
        legend.sort_by("Last *").sort_desc(True)
    else:
        legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel.legend(legend)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if low is not None:
        panel.min(low)
    if high is not None:
        panel.max(high)
    if at_least is not None:
        panel.axis_soft_max(at_least)
    if empty:
        panel.no_value(empty)
    if decimals is not None:
        panel.decimals(decimals)
    for pattern, properties in (looks or {}).items():
        panel.override_by_regexp(pattern, _properties(properties))
    return panel  # type: ignore[no-any-return]


def painted(color: str, width: float = 1, **more: Any) -> dict[str, Any]:
    """A look for `lines`: a series in its own colour."""
    fixed = {"mode": "fixed", "fixedColor": color}
    return {"color": fixed, "custom.lineWidth": width, **{f"custom.{name}": value for name, value in more.items()}}


def bars(
    place: Place,
    title: str,
    description: str,
    query: Query,
    unit: str,
    *,
    empty: str | None = None,
) -> bargauge.Panel:
    """Named bars, longest first as the query sorts them; `empty` says why there may be none."""
    panel = _ask(_place(bargauge.Panel(), place, title, description, unit), [query], instant=True)
    if empty:
        panel.no_value(empty)
    panel.orientation(VizOrientation.HORIZONTAL).thresholds(steps("orange")).min(0).decimals(0)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.text(common.VizTextDisplayOptions().title_size(13).value_size(13))
    panel.sizing(BarGaugeSizing.MANUAL).min_viz_height(16).max_viz_height(32)
    return panel  # type: ignore[no-any-return]


def timeline(
    place: Place,
    title: str,
    description: str,
    query: Query | Sequence[Query],
    states: ValueMap,
    empty: str | None = None,
) -> statetimeline.Panel:
    """One coloured strip per series; `empty` says why there may be none."""
    queries = [query] if isinstance(query, tuple) else query
    panel = _ask(_place(statetimeline.Panel(), place, title, description, "none"), queries)
    panel.mappings([states]).show_value(VisibilityMode.NEVER).span_nulls(MISSED_SCRAPES_MS).row_height(
        0.8
    ).line_width(0).fill_opacity(80)
    panel.color_scheme(dash.FieldColor().mode(FieldColorModeId.THRESHOLDS)).thresholds(steps("text"))
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    if empty:
        panel.no_value(empty)
    return panel  # type: ignore[no-any-return]


Column = tuple[str, str, Mapping[str, Any]]
"""Heading, PromQL, and properties of the field such as its unit."""
SPARK_POINTS = 120
COIN_LINK = {"links": [_to_coin("__value.raw")]}


def spark(color: str) -> dict[str, Any]:
    """Properties of a column that draws its query over time, without numbers."""
    cell = {"type": "sparkline", "hideValue": True, "lineWidth": 1, "fillOpacity": 8, "gradientMode": "none"}
    return {"spark": True, "custom.cellOptions": cell, "color": {"mode": "fixed", "fixedColor": color}}


def rows_by_coin(place: Place, title: str, description: str, columns: Sequence[Column]) -> table.Panel:
    panel = rows_by(("asset", "Coin"), {"field": "Coin"}, place, title, description, columns)
    return panel.override_by_name("Coin", _properties({**COIN_LINK, "custom.width": 100}))


def rows_by(
    key: tuple[str, str],
    order: Mapping[str, Any],
    place: Place,
    title: str,
    description: str,
    columns: Sequence[Column],
) -> table.Panel:
    """One row per value of a label, `key` with its heading. A column that names a label of its query shows that
    label, one that is a `spark` its course, else the value."""
    panel = _place(table.Panel(), place, title, description, "none").max_data_points(SPARK_POINTS).no_value("–")
    names, hidden = dict([key]), {"Time": True}
    for index, (heading, expr, properties) in enumerate(columns):
        ref = chr(ord("A") + index)
        query = Dataquery().expr(expr).ref_id(ref)
        if properties.get("spark"):
            panel.with_target(query.range())
            panel.with_transformation(_over_time(ref))
            names[f"Trend #{ref}"] = heading
            continue
        panel.with_target(query.instant().format(PromQueryFormat.TABLE))
        label = properties.get("label")
        names[label or f"Value #{ref}"] = heading
        if label:
            hidden[f"Value #{ref}"] = True
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": hidden,
                "indexByName": {name: index for index, name in enumerate(names)},
                "renameByName": names,
            },
        )
    )
    panel.with_transformation(
        DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [dict(order)]})
    )
    for heading, _, properties in columns:
        panel.override_by_name(heading, _properties(properties))
    return panel  # type: ignore[no-any-return]


def with_words(
    panel: table.Panel, heading: str, table_of: Mapping[str, tuple[str, str]], width: int
) -> table.Panel:
    """The table with other words for the values of one column, and its width in pixels."""
    mappings = [words(table_of).to_json()]
    return panel.override_by_name(heading, _properties({"mappings": mappings, "custom.width": width}))


def _over_time(ref: str) -> DataTransformerConfig:
    """The series of one query as cells; the others, which have but one moment, are left as they are."""
    only = MatcherConfig(id_val="byRefId", options=ref)
    return DataTransformerConfig(id_val="timeSeriesTable", filter_val=only, options={})


def _properties(properties: Mapping[str, Any]) -> list[DynamicConfigValue]:
    ours = ("label", "spark")
    return [DynamicConfigValue(id_val=name, value=value) for name, value in properties.items() if name not in ours]


def placed(board: dash.Dashboard, sections: Iterable[tuple[str, Iterable[Any]]]) -> dash.Dashboard:
    """The board with its panels, section under section; one with a title begins with a row."""
    top = 0
    for title, panels in sections:
        if title:
            board.with_row(dash.Row(title).grid_pos(GridPos(x=0, y=top, w=24, h=1)))
            top += 1
        places = [(panel, panel.build().grid_pos) for panel in panels]
        for panel, place in places:
            place.y += top
            board.with_panel(panel)
        top = max(place.y + place.h for _, place in places)
    return board
