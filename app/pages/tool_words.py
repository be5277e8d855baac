"""The words of the map's tools: time, alerts, drawing, sun, flows, table, sharing, the tour. By the names those parts use."""

from __future__ import annotations

from app.i18n import Words


def tool_texts(say: Words) -> dict[str, str]:
    """Values in braces stay for the map to fill."""
    return time_texts(say) | alert_texts(say) | panel_texts(say) | drawing_texts(say) | tour_texts(say)


def time_texts(say: Words) -> dict[str, str]:
    return {
        "time": say("Time"),
        "span": say("How far back"),
        "span_day": say("the last day"),
        "span_week": say("the last week"),
        "span_month": say("the last month"),
        "span_year": say("the last year"),
        "now": say("now"),
        "play": say("Play"),
        "pause": say("Pause"),
        "time_busy": say("Fetching what the sensors said…"),
        "time_failed": say("The past did not come; move the slider to try again"),
        "time_none": say("No values were kept for this span"),
        "ago_minutes": say("{count} min ago"),
        "ago_hours": say("{count} h ago"),
        "ago_days": say("{count} days ago"),
        "silent": say("silent, last heard"),
    }


def alert_texts(say: Words) -> dict[str, str]:
    return {
        "do_alerts": say("Alerts"),
        "about_alerts": say("Alerts that are open"),
        "alerts_count": say("Open alerts: {count}"),
        "alerts_none": say("No alert is open. A new one appears here and on the map by itself."),
        "alert_people": say("{count} people live in {place}"),
        "alert_show": say("Show on the map"),
        "alert_acknowledge": say("Acknowledge"),
        "alert_seen": say("Somebody has seen to it"),
        "alert_forbidden": say("Only operators may acknowledge. Sign in by the link of `twin login`, then try again."),
        "alert_failed": say("This did not reach the service. Try again in a moment."),
        "critical": say("critical"),
        "warning": say("warning"),
        "info": say("for information"),
        "alert_river-high": say("The river is high or rises fast"),
        "alert_voltage-low": say("Grid voltage is low"),
        "alert_air-bad": say("Fine particles in the air"),
        "alert_sensor-silent": say("A station has fallen silent"),
        "alert_todo": say("What to do: {advice}"),
        "do_critical": say("What to do: call the district's emergency desk now."),
        "do_warning": say("What to do: look at the place and tell who is in charge of it."),
        "do_info": say("What to do: nothing is urgent; have it looked at this week."),
    }


def drawing_texts(say: Words) -> dict[str, str]:
    return {
        "do_draw": say("Draw"),
        "about_draw": say("Draw a point, a line or an area"),
        "shape_point": say("A point"),
        "shape_line": say("A line"),
        "shape_polygon": say("An area"),
        "draw_how": say(
            "Click sets a corner, double click or Enter ends, Escape leaves. By keyboard: arrows move, Space sets a corner, Backspace takes the last back. Corners snap to what is shown. GeoJSON can be pasted."
        ),
        "draw_point": say("Click where the point is to be. Escape leaves."),
        "draw_line": say("Click the corners of the line; double click or Enter ends, Escape leaves."),
        "draw_polygon": say("Click the corners of the area; double click or Enter ends, Escape leaves."),
        "draw_corners": say("Corners: {count}. Enter ends, Backspace takes the last back."),
        "draw_too_few": say("At least {count} corners are needed."),
        "draw_too_many": say("A drawing may have at most {count} corners. Draw it in parts, or simplify it first."),
        "draw_not_read": say("What was pasted is not GeoJSON of this kind."),
        "draw_cancelled": say("Nothing was drawn."),
        "draw_done": say("Drawn."),
        "do_sun": say("Sun"),
        "about_sun": say("Sun and shadow"),
        "sun_date": say("Date"),
        "sun_hour": say("Hour in Kigali"),
        "sun_stands": say("the sun stands {altitude}° high at {azimuth}° from north"),
        "sun_down": say("too low for shadows"),
        "sun_far": say("zoom in to see the shadows of buildings"),
        "sun_hills_busy": say("asking what hills darken…"),
        "sun_hills_failed": say("the shadows of hills did not come; move the slider to try again"),
        "sun_hills_far": say("zoom in for the shadows of hills"),
        "sun_note": say(
            "≈ Buildings throw their shadow on level ground, from heights that may be synthetic; hills up to 3 km away, from the elevation model."
        ),
    }


def tour_texts(say: Words) -> dict[str, str]:
    return {
        "about_tour": say("Guided tour and keys"),
        "tour_title": say("Welcome to the twin of Rwanda"),
        "tour_1": say(
            "On the left are the layers. A switch shows one; a tap on its name tells where it comes from and how to colour it. ◇, ◈ and ≈ mark what was not observed."
        ),
        "tour_2": say(
            "Search a province, district, sector, cell or village, a facility, an id or coordinates. The key / goes there."
        ),
        "tour_3": say(
            "Click anything on the map: on the right stands what is known of it, with units, error, origin and source."
        ),
        "tour_4": say(
            "Below is time: move the slider back to replay a day, press now for the stream. Beside it are alerts, sun, drawing, the table and sharing."
        ),
        "tour_5": say(
            "Keys: / search, 1 to 5 modes, arrows move, t table, a alerts, d draw, s share, ? this help, Escape closes."
        ),
        "tour_next": say("Next"),
        "tour_back": say("Back"),
        "tour_end": say("Begin"),
        "tour_skip": say("Skip"),
    }


def panel_texts(say: Words) -> dict[str, str]:
    return {
        "close": say("Close"),
        "do_flows": say("Flows"),
        "about_flows": say("Who moves from where to where"),
        "flows_year": say("Five years"),
        "flows_published": say("As published"),
        "flows_busy": say("Asking the model …"),
        "flows_failed": say("The flows did not come; choose the years again."),
        "flows_modelled": say("Modelled, not counted; {count} flows of few people are withheld."),
        "flows_least": say("Leave out small flows"),
        "flows_direction": say("Of the selected district"),
        "flows_both": say("in and out"),
        "flows_in": say("in"),
        "flows_out": say("out"),
        "flows_told": say("{flows} flows of at least {least} people: {people} people, {share} % of all who moved"),
        "flows_chord": say("Flows between districts; the table lists the same figures"),
        "flows_none": say("No flow is that large. Move the slider back."),
        "do_flood": say("Flood"),
        "about_flood": say("Flood by water level ≈ modelled"),
        "flood_level": say("Water level"),
        "flood_told": say("What lies less than {level} m over the nearest stream"),
        "flood_depth": say("depth of the water"),
        "flood_busy": say("Fetching heights over the streams; the first time this may take minutes…"),
        "flood_says": say("It says: which ground lies low beside water, from the elevation model alone."),
        "flood_not": say(
            "It does not say: how often such a level comes, how fast, or what dykes and culverts hold back."
        ),
        "do_table": say("Table"),
        "about_table": say("The map as a table"),
        "table": say("The map as a table"),
        "table_layer": say("Layer"),
        "table_first": say("the first {count} in the view"),
        "table_busy": say("Fetching the rows…"),
        "table_nothing": say("No layer is shown. Switch one on in the list."),
        "table_empty": say("The view holds nothing of this layer. Move the map or zoom out."),
        "table_raster": say("This layer is a picture and has no rows."),
        "table_failed": say("The rows did not come. Try again in a moment."),
        "do_share": say("Share"),
        "about_share": say("Share this view"),
        "share_link": say("Link"),
        "share_embed": say("For another page"),
        "share_png": say("Picture (PNG)"),
        "share_gpkg": say("Features (GeoPackage)"),
        "share_note": say("The GeoPackage holds the public layers of the view; restricted ones are left out."),
        "share_busy": say("One moment…"),
        "share_layer": say("Writing layer {at} of {of}: {layer}; {features} features so far"),
        "share_coming": say("Fetching {part} of {whole} MB"),
        "share_saved": say("Saved with the downloads."),
        "share_nothing": say("No public layer of features is shown here. Switch one on, or zoom out."),
        "share_failed": say("This did not come. Try again, or choose a smaller view."),
        "copy": say("Copy"),
        "copied": say("Copied."),
        "copy_self": say("The text is selected: copy it with Ctrl+C."),
        "signed_out": say(
            "Your sign-in is over. Sign in again by the link of `twin login` in another tab, then reload: the view is in this page's address, and plans are kept by the service."
        ),
        "reload": say("Reload"),
        "tiles_failed": say("Part of the map did not come: {layers}. It is asked for again by itself."),
        "away": say(
            "The service cannot be reached. The map keeps what it has and goes on by itself when the service is back."
        ),
    }
