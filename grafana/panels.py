"""Shapes that the dashboards share: every panel has a title, a description, a unit and its place.

Schema v1 of Grafana; colours say good (green), look (orange), bad (red), and nothing else.
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
    DashboardCursorSync,
    DashboardLinkType,
    DashboardRegexMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "market maker"
"""Of all dashboards: each has links to those that carry it."""
BPS = "suffix: bps"
"""Grafana has no basis points of its own."""

Place = tuple[int, int, int, int]
"""x, y, width, height on the grid of 24 columns."""
Query = tuple[str, str]
"""PromQL and the legend of its series."""


def dashboard(uid: str, title: str, description: str, since: str) -> dash.Dashboard:
    return (
        dash.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("utc")
        .time(since, "now")
        .refresh("5s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            dash.DashboardLink("Market maker")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(dash.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )


def coin_variable() -> dash.QueryVariable:
    return (
        dash.QueryVariable("asset")
        .label("Coin")
        .query("label_values(mm_mid_price, asset)")
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current({"text": "All", "value": "$__all"})  # type: ignore[arg-type]
    )


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


def _ask(panel: Any, queries: Sequence[Query], instant: bool = False) -> Any:
    for index, (expr, legend) in enumerate(queries):
        query = Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + index))
        panel.with_target(query.instant() if instant else query.range())
    return panel


def number(
    place: Place,
    title: str,
    description: str,
    query: Query,
    unit: str,
    *,
    colours: dash.ThresholdsConfig | None = None,
    mapped: ValueMap | None = None,
    decimals: int | None = None,
    named: bool = False,
    history: bool = False,
    empty: str | None = None,
) -> stat.Panel:
    """One big number; `named` shows the legend instead of the value, `history` a line behind it, `empty` is what
    to say where there is none."""
    panel = _ask(_place(stat.Panel(), place, title, description, unit), [query], instant=not history)
    panel.color_mode(BigValueColorMode.VALUE)
    panel.graph_mode(BigValueGraphMode.AREA if history else BigValueGraphMode.NONE)
    panel.text_mode(BigValueTextMode.NAME if named else BigValueTextMode.VALUE)
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


def mode(place: Place) -> stat.Panel:
    """SHADOW or LIVE, filled with its colour; live with what it was confirmed without."""
    text = "Shadow simulates orders, live sends them. WITHOUT: gates that had no evidence when it was confirmed."
    either = (
        'label_replace(max(mm_live) == 0, "mode", "SHADOW", "", "")'
        ' or label_replace(max(mm_live) == 1, "mode", "LIVE", "", "")'
    )
    queries = (
        (either, "{{mode}}"),
        ("max by (gate) (mm_gate_missing)", "WITHOUT {{gate}}"),
    )
    panel = _ask(_place(stat.Panel(), place, "Mode", text, "none"), queries, instant=True)
    panel.color_mode(BigValueColorMode.BACKGROUND_SOLID).graph_mode(BigValueGraphMode.NONE)
    panel.text_mode(BigValueTextMode.NAME).no_value("unknown")
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.color_scheme(dash.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    panel.thresholds(steps("blue", (1, "red")))
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
    empty: str | None = None,
) -> timeseries.Panel:
    """Lines over time; `beside` puts a legend with last values to the right, for many coins.

    `at_least` is a highest value of the axis below which it never shrinks; `empty` says why there may be no line.
    """
    panel = _ask(_place(timeseries.Panel(), place, title, description, unit), queries)
    panel.line_width(1).fill_opacity(30 if stacked else 0).show_points(VisibilityMode.NEVER)
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
    return panel  # type: ignore[no-any-return]


def bars(place: Place, title: str, description: str, query: Query, unit: str) -> bargauge.Panel:
    """Named bars, longest first as the query sorts them."""
    panel = _ask(_place(bargauge.Panel(), place, title, description, unit), [query], instant=True)
    panel.orientation(VizOrientation.HORIZONTAL).thresholds(steps("orange")).min(0)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.text(common.VizTextDisplayOptions().title_size(13).value_size(13))
    panel.sizing(BarGaugeSizing.MANUAL).min_viz_height(16).max_viz_height(32)
    return panel  # type: ignore[no-any-return]


def timeline(
    place: Place, title: str, description: str, query: Query, states: ValueMap, empty: str | None = None
) -> statetimeline.Panel:
    """One coloured strip per series; `empty` says why there may be none."""
    panel = _ask(_place(statetimeline.Panel(), place, title, description, "none"), [query])
    panel.mappings([states]).show_value(VisibilityMode.NEVER).row_height(0.8).line_width(0).fill_opacity(80)
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


def rows_by_coin(place: Place, title: str, description: str, columns: Sequence[Column]) -> table.Panel:
    return rows_by(("asset", "Coin"), {"field": "Coin"}, place, title, description, columns)


def rows_by(
    key: tuple[str, str],
    order: Mapping[str, Any],
    place: Place,
    title: str,
    description: str,
    columns: Sequence[Column],
) -> table.Panel:
    """One row per value of a label, `key` with its heading. A column that names a label of its query shows that
    label, else the value."""
    panel = _place(table.Panel(), place, title, description, "none")
    names, hidden = dict([key]), {"Time": True}
    for index, (heading, expr, properties) in enumerate(columns):
        ref = chr(ord("A") + index)
        panel.with_target(Dataquery().expr(expr).instant().format(PromQueryFormat.TABLE).ref_id(ref))
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


def _properties(properties: Mapping[str, Any]) -> list[DynamicConfigValue]:
    return [DynamicConfigValue(id_val=name, value=value) for name, value in properties.items() if name != "label"]


def placed(board: dash.Dashboard, sections: Iterable[tuple[str, Iterable[Any]]]) -> dash.Dashboard:
    """The board with its panels; a section with a title begins with a row."""
    for title, panels in sections:
        panels = list(panels)
        if title:
            top = min(panel.build().grid_pos.y for panel in panels)
            board.with_row(dash.Row(title).grid_pos(GridPos(x=0, y=top - 1, w=24, h=1)))
        for panel in panels:
            board.with_panel(panel)
    return board
