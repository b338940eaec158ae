// The view of a segmentation over time: a slider of dates, a map whose customers keep their places, and the flows.

const ABSENT = 36; // ink of who is not there at a date, of 255
const STEP = 900; // milliseconds from date to date while it plays

function render({ model, el }) {
  const dates = model.get("dates"), segments = model.get("segments"), places = numbers(Uint16Array, model.get("places"));
  const n = places.length / 2, nobody = segments.length; // the label of who is not there
  const labels = numbers(nobody < 256 ? Uint8Array : Uint16Array, model.get("labels"));
  const labelsAt = (at) => labels.subarray(at * n, (at + 1) * n);
  const sizes = model.get("sizes"), flows = model.get("flows"), said = model.get("said");
  const same = (one, other) => one.from === other.from && one.to === other.to;
  const nameOf = (at, nowhere) => (segments[at]?.name ?? nowhere);
  const words = (flow) =>
    flow.from === NOWHERE ? `Came to ${nameOf(flow.to)}`
      : flow.to === NOWHERE ? `Gone from ${nameOf(flow.from)}`
        : `${nameOf(flow.from)} → ${nameOf(flow.to)}`;

  const play = toolButton("", "", () => playOrStop());
  play.className = "play";
  const slider = element("input", { type: "range", min: 0, max: dates.length - 1, step: 1 });
  slider.setAttribute("aria-label", "Date");
  const date = element("output", { className: "date" });
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
  const rows = scrolled("Customers of the flow", tableOf(["Customer", head], body));
  const error = errorLine();
  const code = element("pre");

  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    sayPlays(play, false, "Play", "Pause");
  };
  const go = (at) => {
    model.set("at", at);
    model.save_changes();
  };
  const playOrStop = () => {
    if (timer !== null) return stop();
    if (model.get("at") === dates.length - 1) go(0);
    sayPlays(play, true, "Play", "Pause");
    timer = setInterval(() => {
      const next = model.get("at") + 1;
      if (next < dates.length) go(next);
      if (next >= dates.length - 1) stop();
    }, STEP);
  };
  slider.addEventListener("input", () => {
    stop();
    go(Number(slider.value));
  });

  // What Python says of the chosen flow; nothing while it is still of another date or flow.
  const answer = () => {
    const shown = model.get("shown"), chosen = model.get("chosen");
    return shown.at === model.get("at") && shown.flow && same(shown.flow, chosen) ? shown : null;
  };

  // From which segment to which a customer went since the date before.
  const wayOf = (i) => {
    const at = model.get("at"), [from, to] = [at - 1, at].map((one) => (one < 0 || labelsAt(one)[i] === nobody ? NOWHERE : labelsAt(one)[i]));
    return { from, to, moved: at > 0 && from !== to };
  };
  const choose = (flow) => {
    model.set("chosen", same(flow, model.get("chosen")) ? {} : { from: flow.from, to: flow.to });
    model.save_changes();
  };
  const map = makeScatter({
    press(i) {
      const way = wayOf(i);
      if (way.moved) choose(way);
    },
    hover(i) {
      if (i < 0) return;
      const { from, to, moved } = wayOf(i);
      map.tell(...(moved ? [endOf(segments[from], "Came"), endOf(segments[to], "Gone", "→ ")] : [endOf(segments[to], "Not there")]));
    },
  });
  const drawMap = () => {
    const at = model.get("at"), here = labelsAt(at), chosen = model.get("chosen");
    const [from, to] = [chosen.from, chosen.to].map((segment) => (segment === NOWHERE ? nobody : segment));
    const took = at && "from" in chosen ? here.map((label, i) => Number(label === to && labelsAt(at - 1)[i] === from)) : null;
    map.paint(here, [...segments.map((segment) => segment.color), GREY]);
    map.believe(Uint8Array.from(here, (label, i) => (label === nobody && !took?.[i] ? ABSENT : 255)));
    map.choose(took?.includes(1) ? took : null);
    map.say(`Map of customers by segment on ${dates[at]}. The lists say the same in numbers.`);
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
      const button = toolButton("", "", () => choose(flow));
      button.className = "flow";
      button.append(
        element("span", { className: "way" }, endOf(segments[flow.from], "Came"), endOf(segments[flow.to], "Gone", "→ ")),
        element("span", { className: "n" }, number(flow.customers)),
        element("span", { className: "bar" }, bar),
        element("span", { className: "of" }, flow.of_from));
      button.dataset.flow = `${flow.from} ${flow.to}`;
      const pressed = same(flow, chosen);
      button.setAttribute("aria-pressed", pressed);
      const of = flow.of_from ? `, ${flow.of_from} of ${nameOf(flow.from)}` : "";
      button.setAttribute("aria-label", `${words(flow)}: ${customers(flow.customers)}${of}`);
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
    const moved = chosen.from !== NOWHERE && chosen.to !== NOWHERE;
    head.hidden = !moved; // who came or is gone has nothing to compare
    body.replaceChildren(...(shown?.rows || []).map(([id, changed]) =>
      element("tr", {}, element("td", {}, id), ...(moved ? [element("td", {}, changed || "–")] : []))));
    if (!model.get("at")) hint.textContent = "Nothing earlier to compare with.";
    else if (!some) hint.textContent = "Press a flow to see its customers.";
    else if (!shown) hint.textContent = model.get("error") ? "" : "…";
    else if (!shown.count) hint.textContent = "Nobody took this way at this date.";
    else {
      const part = shown.rows.length < shown.count ? ` The first ${shown.rows.length} are listed.` : "";
      hint.textContent = `${customers(shown.count)}; on the map all others fade.${moved ? " Who changed most comes first." : ""}${part}`;
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
      element("div", { className: "map" }, ...drawn(map), legend, element("p", { className: "hint" }, model.get("note"))),
      element("div", { className: "moves" },
        heading, sentence, titles, list,
        element("p", { className: "hint" }, "The model is the same at all dates: customers move by what they did or did not do, and as time passes."),
        listHeading, hint, rows, error, badge,
        codeBlock(code))));
  el.append(root);

  const unfollow = follow(model, {
    "change:at": drawAll, "change:chosen": drawAll, "change:shown": drawCustomers, "change:code": drawWords,
    "change:error": () => { drawWords(); drawCustomers(); },
  });
  stop();
  map.points(places.subarray(0, n), places.subarray(n));
  drawAll();
  const letGo = join(model, root);
  return () => {
    stop();
    map.end();
    letGo();
    unfollow();
  };
}

export default { render };
