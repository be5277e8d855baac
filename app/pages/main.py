"""The planner's page: one map, the list of layers, the inspector. `planner(context)` makes it for one session."""

# the component library is untyped:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewable

from app.i18n import LANGUAGES, Words, words
from app.map.component import COUNTRY, DIST, KIGALI, TOOLS, BuildingView, LayerList, PageMap, SensorChart
from app.map.looks import BUILDINGS, all_looks
from app.pages.address import MODES, SCENE, Address, preferred_language, read_address
from app.pages.compare import address_of, read_comparison
from app.pages.contents import for_mode, groups, states
from app.pages.context import PlannerContext, Row
from app.pages.inspector import feature_html, flows_html, glance_html, hint_html
from app.pages.look import BARE_SX, CONTRAST, HEADER_SX, PAGE_SX, SEARCH_SX, SWITCH_SX, THEME
from app.pages.plan import PANEL_WIDTH, plan_panel, plan_texts
from app.pages.search import PlaceSearch, camera_for
from app.pages.wording import MODE_WORDS, building_texts, chart_texts, list_texts, map_texts
from layers.migration.flows import GIVEN
from tiles.palette import Theme
from tiles.style import style
from twin.errors import TwinError

CSS: Final = (Path(__file__).parent / "planner.css").read_text(encoding="utf-8")
TEMPLATE: Final = Path(__file__).parent / "page.html"
CARD_WIDTH: Final = 304
FLOWS_SHOWN: Final = 12
SENSORS: Final = "iot.sensors"
MIGRATE_CAMERA: Final = {**COUNTRY, "pitch": 35.0, "zoom": 8.1}
WORKING_MODES: Final[Mapping[str, str]] = {
    "look": "",
    "plan": "land.zones",
    "compare": "",
    "live": "iot.sensors",
    "migrate": "migration.flows",
}
"""A mode is offered when the layer it lives from is in the catalogue."""


def built(pattern: str) -> str:
    """The address of a part of the map's build; a hash of its content is in its name."""
    return f"/map/{next((DIST / 'page').glob(pattern)).name}"


def planner(context: PlannerContext) -> Viewable:
    """The page of one session, in the state its address names."""
    page: Viewable = Planner(context).page
    return page


class Planner:
    """Holds the parts of one session's page and what moves between them."""

    def __init__(self, context: PlannerContext) -> None:
        self.context = context
        self.catalogue = list(context.catalogue())
        self.entries: dict[str, Row] = {str(one["name"]): one for one in self.catalogue}
        address = read_address(
            dict(context.query) or _session_query(), self.entries, language=preferred_language(_said("accept-language"))
        )
        self.say: Words = words(address.language)
        self.mode = address.mode if address.mode in self.modes() else "look"
        self.narrow = False
        self.missing = 0 if self.mode == "plan" else self._missing(address.branch)
        """The branch that the address names and that is not there; the workbench says so itself."""
        self.renewals = 0
        self.embedded = address.embedded
        self.shown: tuple[str, Row] | None = None
        self.map = self._make_map(address)
        self.list = LayerList(layers=self.map.layers, theme=address.theme, sizing_mode="stretch_width", margin=0)
        self.card = pn.pane.HTML("", stylesheets=[CSS], sizing_mode="stretch_width", margin=0)
        self.chart = SensorChart(theme=address.theme, sizing_mode="stretch_width", margin=0)
        self.body = BuildingView(theme=address.theme, sizing_mode="stretch_width", margin=0)
        self.plan = plan_panel(
            context,
            branch=0 if self.missing else address.branch,
            active=self.mode == "plan",
            theme=address.theme,
            language=address.language,
            texts=plan_texts(self.say),
        )
        self.search = PlaceSearch(
            context.search,
            self._layer_title,
            sizing_mode="stretch_width",
            min_width=80,
            max_width=340,
            size="small",
            label="",
            margin=(0, 16),
            min_characters=2,
            sx=SEARCH_SX,
        )
        self.languages = _switch({name: name for name in LANGUAGES}, address.language)
        self.modes_switch = _switch({}, None)
        self.theme_button = pmui.IconButton(icon=CONTRAST, size="small", margin=(0, 4), align="center")
        self.page = self._make_page(address)
        self.relabel()
        self._begin_early()
        self.plan.link(self.map, branch="scenario")
        self.list.link(self.map, layers="layers", bidirectional=True)
        self._watch()
        if address.selected:
            self.open_feature(*address.selected, told={})
        else:
            self.show_mode()

    def modes(self) -> list[str]:
        """The modes that work with the layers at hand."""
        return [mode for mode in MODES if not WORKING_MODES[mode] or WORKING_MODES[mode] in self.entries]

    @property
    def is_empty(self) -> bool:
        """Whether no layer holds anything to draw."""
        return not any(one.get("count") for one in self.catalogue)

    @property
    def theme(self) -> Theme:
        return cast("Theme", self.map.theme)

    def relabel(self) -> None:
        """Puts every word of the page into the session's language and every colour into its theme."""
        say = self.say
        self.page.title = say("Twin of Rwanda")
        self.search.label = say("Search a place, a facility or an id")
        self.theme_button.description = say("Light or dark")
        self.modes_switch.options = {say(MODE_WORDS[one]): one for one in self.modes()}
        # The same value under a new label is not sent again by itself. (A value of None would choose the first mode.)
        self.modes_switch.value = self.mode
        self.modes_switch.param.trigger("value")
        self.list.param.update(
            groups=groups(self.catalogue, say, theme=self.theme, sectors=self.context.sectors),
            texts=list_texts(say),
            theme=self.theme,
        )
        self.map.param.update(
            language=say.language,
            texts=map_texts(say, empty=self.is_empty),
            looks=all_looks(self.theme),
            style_url=self._style_url(self.theme, say.language),
        )
        self.card.css_classes = [self.theme]
        self.plan.param.update(language=say.language, texts=plan_texts(say), theme=self.theme)
        self.chart.param.update(texts=chart_texts(say), theme=self.theme)
        self.body.param.update(texts=building_texts(say), theme=self.theme)
        self._share()

    def _missing(self, branch: int) -> int:
        has = self.context.has_branch
        return branch if branch and has is not None and not has(branch) else 0

    def show_mode(self) -> None:
        """The right panel as the mode wants it when no feature is open."""
        self.shown = None
        self.chart.sensor = self.body.building = ""
        if self.mode == "migrate":
            self.card.object = self._flows()
        elif self.mode == "plan":
            self.card.object = ""
        elif self.mode == "live":
            self.card.object = hint_html(
                self.say("Click a point to read its latest value. A grey point has been silent for ten minutes.")
            )
        else:
            self.card.object = glance_html(self.catalogue, self.say)
        if self.missing:
            gone = "Plan {id} is not there: it was deleted, or it is not open to you."
            shown = self.say("The country as it stands is shown instead. Sign in, or ask whoever sent the link.")
            self.card.object = hint_html(f"{self.say(gone, id=self.missing)} {shown}") + self.card.object

    def open_feature(self, layer: str, fid: int, *, told: Mapping[str, Any]) -> None:
        """Shows a feature: what the twin holds of it, over what the map already told of it."""
        entry = self.entries.get(layer, {"name": layer})
        shared = f"{layer}/{fid}"
        try:
            feature: Row = {**told, **self.context.feature(layer, fid)}
        except (TwinError, LookupError) as failure:
            if not told:
                self.card.object = hint_html(self.say("This feature cannot be shown: {reason}", reason=str(failure)))
                return
            feature, shared = told, ""
        self.shown = (layer, feature)
        self.chart.sensor = str(feature.get("id") or "") if layer == SENSORS else ""
        self.body.param.update(
            building=str(feature.get("id") or "") if layer == BUILDINGS else "", scenario=self.map.scenario
        )
        self.card.object = feature_html(feature, entry, self.say)
        self.page.contextbar_open = True
        self._share(shared)

    def _make_map(self, address: Address) -> PageMap:
        layers = states(self.catalogue, address.layers, address.themes)
        if self.mode != "look" and address.layers is None:
            layers = for_mode(layers, self.mode)
        has_flows = "migration.flows" in self.entries
        return PageMap(
            style_url=self._style_url(address.theme, address.language),
            theme=address.theme,
            language=address.language,
            camera=MIGRATE_CAMERA if self.mode == "migrate" and address.camera is KIGALI else dict(address.camera),
            layers=layers,
            looks=all_looks(cast("Theme", address.theme)),
            selected=dict(zip(("layer", "fid"), address.selected, strict=True)) if address.selected else {},
            live_url=self.context.live_url if "iot.sensors" in self.entries else "",
            flows_url=self.context.flows_url if has_flows else "",
            texts=map_texts(self.say, empty=self.is_empty),
            keep_address=True,
            time=address.time,
            flows_year=address.flows_year,
            scenario=0 if self.missing else address.branch,
            compare=dict(address.compared) if self.mode == "compare" else {},
            tools=[] if address.embedded else list(TOOLS),
            sizing_mode="stretch_both",
            margin=0,
        )

    def _make_page(self, address: Address) -> Any:  # the library's page is untyped
        header = pmui.Row(
            self.search,
            pn.layout.HSpacer(),
            self.modes_switch,
            self.languages,
            self.theme_button,
            sizing_mode="stretch_width",
            sx=HEADER_SX,
        )
        whole = not address.embedded
        beside = whole and not _on_phone()
        return pmui.Page(  # type: ignore[attr-defined]  # exported at run time
            header=[header] if whole else [],
            sidebar=[self.list] if whole else [],
            main=[self.map],
            contextbar=[self.plan, self.body, self.card, self.chart] if whole else [],
            sidebar_open=beside,
            contextbar_open=whole and (self.mode == "plan" or (beside and self.mode != "compare")),
            contextbar_variant="auto",
            contextbar_width=PANEL_WIDTH if self.mode == "plan" else CARD_WIDTH,
            sidebar_width=280,
            sidebar_resizable=False,
            theme_toggle=False,
            busy_indicator=None,
            dark_theme=address.theme == "dark",
            theme_config=THEME,
            site_url="/app",
            template=TEMPLATE,
            favicon="/favicon.ico",
            sx=PAGE_SX if whole else PAGE_SX | BARE_SX,
        )

    def _style_url(self, theme: str, language: str) -> str:
        address = self.context.styles_url.format(theme=theme, language=language)
        return f"{address}&renewal={self.renewals}" if self.renewals else address

    def _begin_early(self) -> None:
        """Gives the page's head what the map needs to begin before the session's socket is open: its parameters and its style."""
        document = pn.state.curdoc
        if document is None:
            return
        look = style(self.catalogue, theme=self.theme, language=self.say.language)
        document.template_variables.update(
            start=self.map.begun() | {"style": look},
            begin=built("begin-*.js"),
            sheet=built("page-*.css"),
            theme=self.theme,
            embedded=self.embedded,
        )

    def _watch(self) -> None:
        self.map.param.watch(self._clicked, "clicked")
        self.map.param.watch(lambda _: self._share(), ["layers", "time", "flows_year", "compare", "scenario"])
        self.map.param.watch(lambda _: self._migrated(), ["flows_year", "scenario"])
        self.map.param.watch(self._heard, "heard")
        self.map.param.watch(self._pressed, "mode_wanted")
        self.map.param.watch(self._narrowed, "narrow")
        self.plan.param.watch(self._stand_aside, "aside")
        self.search.param.watch(self._found, "chosen")
        self.languages.param.watch(self._spoken, "value")
        self.modes_switch.param.watch(self._switched, "value")
        self.theme_button.on_click(lambda _: self._turn_theme())

    def _clicked(self, event: Any) -> None:  # param's event is untyped
        picked = event.new
        if "layer" not in picked:
            self.show_mode()
            self._share("")
            return
        self.open_feature(str(picked["layer"]), int(picked["fid"]), told=picked.get("properties") or {})

    def _heard(self, _: Any) -> None:
        """A layer changed: the list tells its new count and age; a layer that was empty until now comes onto the map."""
        before = set(self.map.layers)
        self.catalogue = list(self.context.catalogue())
        self.entries = {str(one["name"]): one for one in self.catalogue}
        fresh = states(self.catalogue, None)
        self.list.groups = groups(self.catalogue, self.say, theme=self.theme, sectors=self.context.sectors)
        if fresh.keys() - before:
            scenes = {name: state for name, state in self.map.layers.items() if SCENE.fullmatch(name)}
            self.map.layers = {name: self.map.layers.get(name, state) for name, state in fresh.items()} | scenes
            self.renewals += 1
            self.relabel()

    def _narrowed(self, _: Any) -> None:
        """Too narrow for panels beside the map: they close, and open over it when they are asked for."""
        self.narrow = True
        self.page.param.update(sidebar_open=False, contextbar_open=self.shown is not None or self.mode == "plan")

    def _stand_aside(self, event: Any) -> None:
        """Where the panels cover the map, they leave it free while something is drawn or chosen on it."""
        if self.narrow:
            self.page.contextbar_open = not event.new

    def _pressed(self, event: Any) -> None:
        named = event.new.get("name")
        if named in self.modes():
            # The key that opened a mode leaves it again.
            self.modes_switch.value = named if named != self.mode else "look"
            return
        place = int(event.new.get("place", 0))
        if 1 <= place <= len(self.modes()):
            self.modes_switch.value = self.modes()[place - 1]

    def _found(self, event: Any) -> None:
        hit = event.new
        camera = camera_for(hit)
        if camera is not None:
            self.map.camera = camera
        if hit.get("layer") and hit.get("fid") is not None:
            self.map.selected = {"layer": hit["layer"], "fid": int(hit["fid"])}
            self.open_feature(str(hit["layer"]), int(hit["fid"]), told={})

    def _spoken(self, event: Any) -> None:
        self.say = words(event.new)
        self.relabel()
        self._renew_card()

    def _switched(self, event: Any) -> None:
        if event.new is None or event.new == self.mode:
            return
        self.mode = event.new
        self.missing = 0
        self.map.compare = read_comparison({}) if self.mode == "compare" else {}
        self.map.layers = for_mode(self.map.layers, self.mode)
        if self.mode == "migrate":
            self.map.camera = MIGRATE_CAMERA
        if self.mode == "compare":
            self.page.contextbar_open = False
        self.plan.active = self.mode == "plan"
        self.page.contextbar_width = PANEL_WIDTH if self.mode == "plan" else CARD_WIDTH
        if self.mode == "plan":
            self.page.contextbar_open = True
        self.show_mode()
        self._share("")

    def _turn_theme(self) -> None:
        self.page.dark_theme = not self.page.dark_theme
        self.map.theme = "dark" if self.page.dark_theme else "light"
        self.relabel()

    def _renew_card(self) -> None:
        if self.shown is None:
            self.show_mode()
            return
        layer, feature = self.shown
        self.card.object = feature_html(feature, self.entries.get(layer, {"name": layer}), self.say)

    def _flows(self) -> str:
        year, branch = self.map.flows_year, self.map.scenario
        if self.context.flows is not None and (year or branch):
            until = year or GIVEN
            try:
                return flows_html(self.context.flows(year, branch, FLOWS_SHOWN), self.say, years=(until - 5, until))
            except TwinError as failure:
                return hint_html(str(failure))
        if self.context.largest is None:
            return hint_html(self.say("Click an arc to read how many people moved, and between which places."))
        return flows_html(self.context.largest("migration.flows", "people", FLOWS_SHOWN), self.say)

    def _migrated(self) -> None:
        """Other flows than before: the table beside the map follows, where it stands open."""
        if self.mode == "migrate" and self.shown is None:
            self.show_mode()

    def _share(self, selected: str | None = None) -> None:
        """What the page's address carries beside the camera; the map writes it."""
        on = ",".join(name for name, state in self.map.layers.items() if state.get("visible"))
        by = ",".join(f"{name}:{state['by']}" for name, state in self.map.layers.items() if state.get("by"))
        chosen = self.map.share.get("sel", "") if selected is None else selected
        said = {
            "on": on,
            "by": by,
            "lang": self.say.language,
            "theme": self.theme,
            "mode": self.mode,
            "sel": chosen,
            "t": self.map.time,
            "year": str(self.map.flows_year or ""),
            "branch": str(self.map.scenario or ""),
        } | address_of(self.map.compare)
        if said != self.map.share:
            self.map.share = said

    def _layer_title(self, layer: str) -> str:
        return self.say.title(self.entries.get(layer, {}).get("titles"), layer)


def _switch(options: dict[str, str], value: str | None) -> pmui.RadioButtonGroup:
    return pmui.RadioButtonGroup(
        options=options, value=value, size="small", variant="outlined", margin=(0, 8), sx=SWITCH_SX
    )


def _on_phone() -> bool:
    """Whether the browser says that it is a phone's: its panels begin closed. Other narrow windows tell later."""
    return _said("sec-ch-ua-mobile") == "?1" or " Mobile" in _said("user-agent")


def _said(header: str) -> str:
    """A header of the page's own request; its name in lower case."""
    return next((str(value) for name, value in (pn.state.headers or {}).items() if name.lower() == header), "")


def _session_query() -> dict[str, str]:
    """The query of the page's own request; the last value of a name that is said twice."""
    return {name: values[-1].decode("utf-8", "replace") for name, values in pn.state.session_args.items() if values}
