// Parts of the panel beside a map: legend, differences of two groups, the list of segments.

function legendOf({ ends, colors, words }) {
  const legend = element("div", { className: "ramp" });
  if (ends) {
    const bar = element("i");
    bar.style.background = `linear-gradient(90deg, ${colors.join(", ")})`;
    legend.append(element("span", { className: "scale" }, ends[0], bar, ends[1]));
  }
  for (const [word, color] of words || []) legend.append(element("span", { className: "word" }, dot(color), word));
  return legend;
}

// What differs between two groups: a bar for each feature, and both values.
function differencesTable() {
  const body = element("tbody");
  const titles = ["Feature", "Difference", "Here", "Others"].map((said) => element("th", { scope: "col" }, said));
  const [, , here, others] = titles;
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...titles)), body);
  const row = (one) => {
    const fill = element("i"), width = Math.min(Math.abs(one.effect) / 2, 1) * 50;
    fill.style.width = `${width}%`;
    fill.style.left = one.effect < 0 ? `${50 - width}%` : "50%";
    fill.style.background = groupColors()[one.effect < 0 ? 1 : 0];
    const bar = element("div", { className: "bar", title: `Cohen's d ${one.effect.toFixed(2)}` }, fill);
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `Cohen's d ${one.effect.toFixed(2)}`);
    const unit = one.unit === "share of customers" ? "" : one.unit;
    return element("tr", {},
      element("td", {}, one.feature, element("span", { className: "unit" }, unit ? ` (${unit})` : "")),
      element("td", {}, bar), element("td", {}, one.inside), element("td", {}, one.others));
  };
  return {
    table,
    show(rows, against) {
      [here.textContent, others.textContent] = against ? ["A", "B"] : ["Here", "Others"];
      table.hidden = !rows.length;
      body.replaceChildren(...rows.map(row));
    },
  };
}

// What tests of features that did not build the segments found.
function evidenceTable() {
  const body = element("tbody");
  const titles = ["Kept out", "Here", "Others", "Found"].map((said) => element("th", { scope: "col" }, said));
  const root = element("div", { hidden: true }, element("h4", {}, "Evidence: what did not build the segments"),
    element("table", { className: "evidence" }, element("thead", {}, element("tr", {}, ...titles)), body));
  return {
    root,
    show(rows) {
      root.hidden = !rows.length;
      body.replaceChildren(...rows.map((row) => element("tr", {}, ...row.map((value) => element("td", {}, value)))));
    },
  };
}

// The list of segments: their names to write, their sizes, and a button that chooses their customers.
function segmentList({ model, show, ticked }) {
  const list = element("div", { className: "segments" });
  const ticks = new Set();
  let drawing = false;
  const send = (id, name) => {
    model.set("wanted_names", { [id]: name });
    model.save_changes();
  };
  const nameField = (segment, typed) => {
    const name = element("input", { type: "text", value: segment.name, disabled: !segment.named, spellcheck: false });
    name.dataset.id = segment.id;
    if (typed !== undefined) name.value = name.dataset.unsent = typed; // being written while Python answered
    name.setAttribute("aria-label", `Name of ${segment.name}`);
    const rename = () => {
      if (drawing) return; // Chromium says "change" of a field that is taken away
      delete name.dataset.unsent;
      if (name.value !== segment.name) send(segment.id, name.value);
    };
    name.addEventListener("input", () => { name.dataset.unsent = name.value; });
    name.addEventListener("change", rename);
    name.addEventListener("keydown", (event) => event.key === "Enter" && rename()); // no "change" in JupyterLab
    return name;
  };
  const rowOf = (segment, typed, open) => {
    const name = nameField(segment, typed);
    const press = toolButton("Show", `Choose the customers of ${segment.name}`, (event) => show(segment.id, event.shiftKey));
    press.setAttribute("aria-label", `Show ${segment.name}`);
    const tick = element("input", { type: "checkbox", disabled: !segment.named, checked: ticks.has(segment.id) });
    tick.setAttribute("aria-label", `Tick ${segment.name}`);
    tick.addEventListener("change", () => {
      ticks[tick.checked ? "add" : "delete"](segment.id);
      ticked([...ticks]);
    });
    const row = element("div", { className: "segment" }, tick, dot(segment.color), name, element("span", { className: "size" }, segment.size), press);
    if (segment.pinned) row.append(element("div", { className: "below" }, element("span", { className: "tag", title: "Keeps its customers when the others are made again" }, "pinned")));
    if (segment.worth) row.append(element("div", { className: "below" }, `Worth ${segment.worth}`));
    if (segment.play.length) {
      const lines = segment.play.flatMap(([label, words, tag]) => [
        element("dt", {}, label),
        element("dd", {}, words, ...(tag ? [" ", element("span", { className: "tag" }, tag)] : [])),
      ]);
      const play = element("details", { className: "below", open }, element("summary", {}, "What to do"), element("dl", {}, ...lines));
      play.dataset.id = segment.id;
      row.append(play);
    }
    if (segment.suggested) {
      const accept = toolButton(`Use “${segment.suggested}”`, segment.why, () => {
        delete name.dataset.unsent;
        send(segment.id, segment.suggested);
      });
      accept.className = "suggested";
      row.append(accept);
    }
    return row;
  };
  return {
    list,
    draw() {
      if (Object.keys(model.get("wanted_names")).length) return; // Python has yet to answer
      drawing = true;
      const there = new Set(model.get("segments").map((segment) => segment.id));
      for (const id of ticks) if (!there.has(id)) ticks.delete(id);
      ticked([...ticks]);
      const controls = (row) => [...(list.children[row]?.querySelectorAll("input, button") || [])];
      const row = [...list.children].findIndex((child) => child.matches(":focus-within"));
      const focused = controls(row).findIndex((control) => control.matches(":focus"));
      const open = new Set([...list.querySelectorAll("details[open]")].map((play) => play.dataset.id));
      const unsent = new Map([...list.querySelectorAll("input[type=text]")].map((field) => [field.dataset.id, field.dataset.unsent]));
      list.replaceChildren(...model.get("segments").map((segment) =>
        rowOf(segment, unsent.get(String(segment.id)), open.has(String(segment.id)))));
      drawing = false;
      if (row >= 0) (controls(row)[focused] || controls(row)[0])?.focus(); // a suggestion that was taken is gone
    },
  };
}
