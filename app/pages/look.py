"""The look of the page around the map: a quiet white (or dark) frame in the map's own type and accent."""

from __future__ import annotations

from typing import Any, Final

TABLET: Final = "@media (max-width: 900px)"
PHONE: Final = "@media (max-width: 600px)"
"""The header stands in two lines; `early.css` and the map's own sheet know its height."""
_TYPE: Final = {
    "fontFamily": "Inter, system-ui, sans-serif",
    "fontSize": 13,
    "button": {"textTransform": "none", "fontWeight": 500},
    "h3": {"fontSize": "1.05rem", "fontWeight": 600, "letterSpacing": 0},
}
THEME: Final[dict[str, Any]] = {
    "light": {
        "palette": {
            "primary": {"main": "#1d6f8f"},
            "background": {"default": "#ffffff", "paper": "#ffffff"},
            "text": {"primary": "#3d4450", "secondary": "#5d6470"},
            "divider": "#e4e0d7",
        },
        "typography": _TYPE,
        "shape": {"borderRadius": 8},
    },
    "dark": {
        "palette": {
            "primary": {"main": "#6cc3e0"},
            "background": {"default": "#171b21", "paper": "#171b21"},
            "text": {"primary": "#d5dae3", "secondary": "#a3abb9"},
            "divider": "#2d333d",
        },
        "typography": _TYPE,
        "shape": {"borderRadius": 8},
    },
}
PAGE_SX: Final[dict[str, Any]] = {
    "& .header": {
        "backgroundColor": "background.paper",
        "backgroundImage": "none",
        "color": "text.primary",
        "boxShadow": "none",
        "borderBottom": "1px solid",
        "borderColor": "divider",
    },
    "& .header .title": {"color": "text.primary", "whiteSpace": "nowrap", TABLET: {"display": "none"}},
    "& .MuiToolbar-root": {
        "minHeight": "56px !important",
        PHONE: {"minHeight": "104px !important", "padding": "0 12px"},
    },
    # The framework's own progress bar has no name; what takes long says so where it happens.
    "& .MuiLinearProgress-root": {"display": "none"},
    # What keeps the content under the header: as high as the header, no more.
    "& main .MuiToolbar-root, & .MuiDrawer-paper > .MuiToolbar-root": {"margin": "0 !important"},
    "& .MuiDrawer-paper": {"backgroundImage": "none", "borderColor": "divider"},
}
SWITCH_SX: Final[dict[str, Any]] = {
    "& .MuiToggleButton-root": {
        "padding": "4px 12px",
        "fontSize": 12,
        "whiteSpace": "nowrap",
        "color": "text.secondary",
        "borderColor": "divider",
        PHONE: {"padding": "4px 5px", "fontSize": 11},
    },
    "& .Mui-selected.MuiToggleButton-root": {
        "color": "inherit !important",
        "backgroundColor": "action.selected",
        "fontWeight": 600,
    },
}
HEADER_SX: Final[dict[str, Any]] = {
    "alignItems": "center",
    "minWidth": 0,
    # On a phone the switches stand on a line under the search.
    PHONE: {
        "flexWrap": "wrap !important",
        "rowGap": "4px",
        "& > .child-wrapper:nth-of-type(1) > div": {"flex": "1 1 60% !important", "margin": "0 4px 0 0 !important"},
        "& > .child-wrapper:nth-of-type(2) > div": {"display": "none !important"},
        "& > .child-wrapper:nth-of-type(5) > div": {"order": 1},
        "& > .child-wrapper:nth-of-type(3) > div, & > .child-wrapper:nth-of-type(4) > div": {
            "order": 2,
            "margin": "0 6px 0 0 !important",
        },
    },
}
CONTRAST: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="currentColor">'
    '<path d="M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20zm0 18V4a8 8 0 0 1 0 16z"/></svg>'
)
"""The button of the theme: as a picture, not as a word in a font of icons, which would be read aloud."""
SEARCH_SX: Final[dict[str, Any]] = {"& .MuiInputBase-root, & .MuiInputLabel-root": {"fontSize": 13}}
BARE_SX: Final[dict[str, Any]] = {
    "& .header": {"display": "none"},
    "& .MuiToolbar-root": {"display": "none !important"},
}
"""Within another page: the map alone."""
