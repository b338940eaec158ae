// The view of a segmentation over time: a slider of dates, a map whose customers keep their places, and the flows.

const ABSENT = -1;
const GREY = "#8c8c8c";
const EDGE = 1.06; // of the map, with a margin around everyone
const STEP = 900; // milliseconds from date to date while it plays

function render({ model, el }) {
  const dates = model.get("dates"), segments = model.get("segments"), places = model.get("places");
  const labels = model.get("labels"), sizes = model.get("sizes"), flows = model.get("flows"), said = model.get("said");
  const same = (one, other) => one.from === other.from && one.to === other.to;
  const nameOf = (at, nowhere) => (at === ABSENT ? nowhere : segments[at].name);
  const words = (flow) =>
    flow.from === ABSENT ? `Came to ${nameOf(flow.to)}`
      : flow.to === ABSENT ? `Gone from ${nameOf(flow.from)}`
        : `${nameOf(flow.from)} → ${nameOf(flow.to)}`;

  const end = (at, nowhere, before = "") =>
    element("span", { className: "end" }, before, dot(at === ABSENT ? GREY : segments[at].color), element("span", {}, nameOf(at, nowhere)));

  const play = element("button", { type: "button", className: "play" });
  const slider = element("input", { type: "range", min: 0, max: dates.length - 1, step: 1 });
  slider.setAttribute("aria-label", "Date");
  const date = element("output", { className: "date" });
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  const legend = element("ul", { className: "legend" });
  const heading = element("h4"), sentence = element("p", { className: "hint" });
  sentence.setAttribute("role", "status");
  const titles = element("div", { className: "titles" }, ...["Flow", "Customers", "Of segment"].map((said) => element("span", {}, said)));
  titles.ariaHidden = "true"; // each button says it all
  const list = element("div", { className: "flows" });
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Flows between segments");
  const listHeading = element("h4"), hint = element("p", { className: "hint" });
  const body = element("tbody");
  const head = element("th", { scope: "col" }, "What changed most, in spreads");
  const table = element("table", {},
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Customer"), head)), body);
  const rows = element("div", { className: "rows", tabIndex: 0 }, table);
  rows.setAttribute("role", "region");
  rows.setAttribute("aria-label", "Customers of the flow");
  const error = element("div", { className: "error" });
  error.setAttribute("role", "alert");
  const code = element("pre");

  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  };
  const go = (at) => {
    model.set("at", at);
    model.save_changes();
  };
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (model.get("at") === dates.length - 1) go(0);
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      const next = model.get("at") + 1;
      if (next < dates.length) go(next);
      if (next >= dates.length - 1) stop();
    }, STEP);
  });
  slider.addEventListener("input", () => {
    stop();
    go(Number(slider.value));
  });

  // What Python says of the chosen flow; nothing while it is still of another date or flow.
  const answer = () => {
    const shown = model.get("shown"), chosen = model.get("chosen");
    return shown.at === model.get("at") && shown.flow && same(shown.flow, chosen) ? shown : null;
  };

  // As high as the places need, distances being the same in both directions.
  const heights = places.map((place) => Math.abs(place[1]));
  const shape = Math.min(1, Math.max(0.3, heights.reduce((most, height) => Math.max(most, height), 0) + 0.05));

  const drawMap = () => {
    const size = canvas.clientWidth;
    if (!size) return;
    const scale = window.devicePixelRatio || 1;
    const high = size * shape;
    canvas.style.height = `${high}px`;
    canvas.width = Math.round(size * scale);
    canvas.height = Math.round(high * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const here = labels[model.get("at")], shown = answer();
    const marked = shown ? shown.places : [];
    const x = (place) => ((place[0] / EDGE + 1) / 2) * size, y = (place) => high / 2 - (place[1] / EDGE / 2) * size;
    const circle = (place, radius) => {
      pen.beginPath();
      pen.arc(x(place), y(place), radius, 0, 2 * Math.PI);
    };
    const radius = places.length < 1000 ? 3.2 : places.length < 3000 ? 2.4 : 1.9;
    const faint = marked.length ? 0.36 : 0.75;
    here.forEach((segment, i) => {
      pen.globalAlpha = segment === ABSENT ? 0.12 : faint;
      pen.fillStyle = segment === ABSENT ? GREY : segments[segment].color;
      circle(places[i], radius);
      pen.fill();
    });
    pen.globalAlpha = 1;
    // A black ring around a white one: one of them shows on a light page, the other on a dark one.
    const many = marked.length > 150, ring = many ? 0.7 : 1.1, inner = radius + (many ? 0.4 : 1.2);
    for (const place of marked) {
      const to = shown.flow.to;
      for (const [color, reach] of [["#000", inner + 2 * ring], ["#fff", inner + ring], [to < 0 ? GREY : segments[to].color, inner]]) {
        pen.fillStyle = color;
        circle(place, reach);
        pen.fill();
      }
    }
  };

  const drawDate = () => {
    const at = model.get("at");
    slider.value = at;
    slider.setAttribute("aria-valuetext", dates[at]);
    date.textContent = dates[at];
    const there = sizes[at];
    legend.replaceChildren(...segments.map((segment, i) => {
      const since = at ? there[i] - sizes[at - 1][i] : 0;
      const change = since ? ` (${since > 0 ? "+" : "−"}${number(Math.abs(since))})` : "";
      return element("li", {}, dot(segment.color), element("span", { className: "name" }, segment.legend),
        element("span", { className: "size" }, `${number(there[i])}${change}`));
    }));
    canvas.setAttribute("aria-label", `Map of customers by segment on ${dates[at]}`);
    heading.textContent = at ? `Who moved, ${dates[at - 1]} to ${dates[at]}` : "Who moved";
    sentence.textContent = said[at];
  };

  let seen; // the pressed flow: scrolled to when another one is
  const drawFlows = () => {
    const at = model.get("at"), chosen = model.get("chosen");
    const focused = [...list.children].find((child) => child.matches(":focus"))?.dataset.flow;
    const here = [...flows[at]];
    // The chosen flow stays in the list, and its button under the finger, also where nobody took it.
    if (at && "from" in chosen && !here.some((flow) => same(flow, chosen))) {
      here.push({ ...chosen, customers: 0, of_from: "" });
    }
    const most = Math.max(1, ...here.map((flow) => flow.customers));
    list.replaceChildren(...here.map((flow) => {
      const bar = element("i");
      bar.style.width = `${(100 * flow.customers) / most}%`;
      const button = element("button", { type: "button", className: "flow" },
        element("span", { className: "way" }, end(flow.from, "Came"), end(flow.to, "Gone", "→ ")),
        element("span", { className: "n" }, number(flow.customers)),
        element("span", { className: "bar" }, bar),
        element("span", { className: "of" }, flow.of_from));
      button.dataset.flow = `${flow.from} ${flow.to}`;
      const pressed = same(flow, chosen);
      button.setAttribute("aria-pressed", pressed);
      const of = flow.of_from ? `, ${flow.of_from} of ${nameOf(flow.from)}` : "";
      button.setAttribute("aria-label", `${words(flow)}: ${customers(flow.customers)}${of}`);
      button.addEventListener("click", () => {
        model.set("chosen", pressed ? {} : { from: flow.from, to: flow.to });
        model.save_changes();
      });
      return button;
    }));
    const pressed = list.querySelector('[aria-pressed="true"]');
    if (pressed && pressed.dataset.flow !== seen) {
      const far = pressed.offsetTop;
      if (far < list.scrollTop || far + pressed.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = far;
    }
    seen = pressed?.dataset.flow;
    titles.hidden = !here.length;
    if (focused) [...list.children].find((child) => child.dataset.flow === focused)?.focus({ preventScroll: true });
  };

  const drawCustomers = () => {
    const chosen = model.get("chosen"), shown = answer(), some = "from" in chosen;
    listHeading.textContent = some ? words(chosen) : "Customers of a flow";
    rows.hidden = !shown?.rows.length;
    const moved = chosen.from !== ABSENT && chosen.to !== ABSENT;
    head.hidden = !moved; // who came or is gone has nothing to compare
    body.replaceChildren(...(shown?.rows || []).map(([id, changed]) =>
      element("tr", {}, element("td", {}, id), ...(moved ? [element("td", {}, changed || "–")] : []))));
    if (!model.get("at")) hint.textContent = "Nothing earlier to compare with.";
    else if (!some) hint.textContent = "Press a flow to see its customers.";
    else if (!shown) hint.textContent = model.get("error") ? "" : "…";
    else if (!shown.count) hint.textContent = "Nobody took this way at this date.";
    else {
      const part = shown.rows.length < shown.count ? ` The first ${shown.rows.length} are listed.` : "";
      hint.textContent = `${customers(shown.count)}, ringed on the map${moved ? "; who changed most comes first" : ""}.${part}`;
    }
  };

  const drawWords = () => {
    error.textContent = model.get("error");
    code.textContent = model.get("code");
  };
  const drawAll = () => [drawDate, drawFlows, drawCustomers, drawMap, drawWords].forEach((draw) => draw());

  const badge = element("span", { className: "badge" }, model.get("badge"));
  const root = element("div", { className: "segkit timeline" },
    element("div", { className: "when" }, play, slider, date),
    element("div", { className: "sides" },
      element("div", { className: "map" }, canvas, legend, element("p", { className: "hint" }, model.get("note"))),
      element("div", { className: "moves" },
        heading, sentence, titles, list,
        element("p", { className: "hint" }, "The model is the same at all dates: customers move by what they did or did not do, and as time passes."),
        listHeading, hint, rows, error, badge,
        element("details", { className: "code" }, element("summary", {}, "The code"), code))));
  el.append(root);

  const draws = {
    "change:at": drawAll, "change:chosen": drawAll, "change:shown": () => { drawCustomers(); drawMap(); },
    "change:error": () => { drawWords(); drawCustomers(); }, "change:code": drawWords,
  };
  for (const [event, draw] of Object.entries(draws)) model.on(event, draw);
  stop();
  drawAll();
  const sized = new ResizeObserver(drawMap);
  sized.observe(canvas);
  const letGo = keepKeys(root);
  return () => {
    stop();
    sized.disconnect();
    letGo();
    for (const [event, draw] of Object.entries(draws)) model.off(event, draw);
  };
}

export default { render };
