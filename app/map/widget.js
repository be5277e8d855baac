// The map as a widget in Jupyter (the front end of anywidget): the component's own program, with the kernel's model put in Panel's words.
export default {
  async render({ model, el }) {
    const program = URL.createObjectURL(new Blob([model.get("program")], { type: "text/javascript" }));
    const { render } = await import(program);
    URL.revokeObjectURL(program);
    const heard = [];
    const ended = [];
    const parameters = new Proxy(
      {},
      {
        get(_, name) {
          if (name !== "on") return model.get(name);
          return (event, callback) => {
            if (event === "remove") return void ended.push(callback);
            heard.push([`change:${event}`, callback]);
            model.on(`change:${event}`, callback);
          };
        },
        set(_, name, value) {
          model.set(name, value);
          model.save_changes();
          return true;
        },
      },
    );
    const style = document.createElement("style");
    style.textContent = model.get("styling");
    const host = document.createElement("div");
    host.style.height = `${model.get("height")}px`;
    host.attachShadow({ mode: "open" }).append(style, render({ model: parameters }));
    el.append(host);
    return () => {
      for (const [event, callback] of heard) model.off(event, callback);
      for (const end of ended) end();
      host.remove();
    };
  },
};
