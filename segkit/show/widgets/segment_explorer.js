// The view beside the map: colours, names of segments, and what sets the chosen customers apart.

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// JupyterLab takes plain keys for its own, even here: "a" would add a cell, and Enter leave the button unpressed.
function keepKeys(root) {
  const mark = (event) => {
    const plain = !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey);
    if (root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", plain);
  };
  window.addEventListener("keydown", mark, true);
  return () => window.removeEventListener("keydown", mark, true);
}

function render({ model, el }) {
  const color = element("select");
  color.setAttribute("aria-label", "Colour by");
  const ramp = element("div", { className: "ramp" });
  const segments = element("div", { className: "segments" });
  const badge = element("span", { className: "badge" });
  const kind = element("p", { className: "kind" });
  const error = element("div", { className: "error" });
  error.setAttribute("role", "status");
  const heading = element("h4");
  const hint = element("div", { className: "hint" });
  const body = element("tbody");
  const table = element("table", {},
    element("thead", {}, element("tr", {}, ...["Feature", "Difference", "Here", "Others"].map((said) => element("th", {}, said)))),
    body);
  const code = element("pre");

  for (const name of model.get("color_options")) color.append(element("option", { value: name }, name));
  color.addEventListener("change", () => {
    model.set("color_by", color.value);
    model.save_changes();
  });

  const drawColor = () => {
    color.value = model.get("color_by");
    const { ends, colors, words } = model.get("ramp");
    ramp.replaceChildren();
    if (ends) {
      const bar = element("i");
      bar.style.background = `linear-gradient(90deg, ${colors.join(", ")})`;
      const scale = element("span", { className: "scale" }, ends[0], bar, ends[1]);
      ramp.append(scale);
    }
    for (const [word, hue] of words || []) {
      const dot = element("span", { className: "swatch" });
      dot.style.background = hue;
      ramp.append(dot, word);
    }
  };

  let drawing = false;
  const drawSegments = () => {
    drawing = true;
    const controls = (row) => [...(segments.children[row]?.querySelectorAll("input, button") || [])];
    const row = [...segments.children].findIndex((child) => child.matches(":focus-within"));
    const focused = controls(row).findIndex((control) => control.matches(":focus"));
    const open = new Set([...segments.querySelectorAll("details[open]")].map((play) => play.dataset.id));
    const unsent = new Map([...segments.querySelectorAll("input")].map((field) => [field.dataset.id, field.dataset.unsent]));
    segments.replaceChildren(...model.get("segments").map((segment) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = segment.color;
      const name = element("input", { type: "text", value: segment.name, disabled: !segment.named, spellcheck: false });
      name.dataset.id = segment.id;
      const typed = unsent.get(name.dataset.id);
      if (typed !== undefined) name.value = name.dataset.unsent = typed; // being written while Python answered
      name.setAttribute("aria-label", `Name of ${segment.name}`);
      const rename = () => {
        if (drawing) return; // Chromium says "change" of a field that is taken away
        delete name.dataset.unsent;
        if (name.value === segment.name) return;
        model.set("wanted_names", { [segment.id]: name.value });
        model.save_changes();
      };
      name.addEventListener("input", () => { name.dataset.unsent = name.value; });
      name.addEventListener("change", rename);
      name.addEventListener("keydown", (event) => event.key === "Enter" && rename()); // no "change" in JupyterLab
      const show = element("button", { type: "button" }, "Show");
      show.setAttribute("aria-label", `Show ${segment.name}`);
      show.addEventListener("click", () => {
        model.set("focus", segment.id);
        model.save_changes();
      });
      const row = element("div", { className: "segment" }, swatch, name, element("span", { className: "size" }, segment.size), show);
      if (segment.worth) row.append(element("div", { className: "below" }, `Worth ${segment.worth}`));
      if (segment.play.length) {
        const lines = segment.play.flatMap(([label, words, tag]) => [
          element("dt", {}, label),
          element("dd", {}, words, ...(tag ? [" ", element("span", { className: "tag" }, tag)] : [])),
        ]);
        const play = element("details", { className: "below", open: open.has(String(segment.id)) },
          element("summary", {}, "What to do"), element("dl", {}, ...lines));
        play.dataset.id = segment.id;
        row.append(play);
      }
      if (segment.suggested) {
        const accept = element("button", { type: "button", className: "suggested", title: segment.why }, `Use “${segment.suggested}”`);
        accept.addEventListener("click", () => {
          delete name.dataset.unsent;
          model.set("wanted_names", { [segment.id]: segment.suggested });
          model.save_changes();
        });
        row.append(accept);
      }
      return row;
    }));
    drawing = false;
    if (row >= 0) (controls(row)[focused] || controls(row)[0])?.focus(); // a suggestion that was taken is gone
  };

  const drawHeard = () => {
    if (!Object.keys(model.get("wanted_names")).length) drawSegments();
  };

  const drawGroup = () => {
    const { count, rows, hint: more } = model.get("group");
    heading.textContent = rows.length ? `What sets these ${count.toLocaleString("en")} apart` : "What sets them apart";
    hint.textContent = rows.length
      ? "Against all other customers. Orange: more, blue: less; the bar ends at two standard deviations."
      : more || "Draw around customers on the map, or press Show.";
    table.hidden = !rows.length;
    body.replaceChildren(...rows.map((row) => {
      const fill = element("i");
      const width = Math.min(Math.abs(row.effect) / 2, 1) * 50;
      fill.style.width = `${width}%`;
      fill.style.left = row.effect < 0 ? `${50 - width}%` : "50%";
      fill.style.background = row.effect < 0 ? "#0072B2" : "#E69F00";
      const bar = element("div", { className: "bar", title: `Cohen's d ${row.effect.toFixed(2)}` }, fill);
      bar.setAttribute("role", "img");
      bar.setAttribute("aria-label", `Cohen's d ${row.effect.toFixed(2)}`);
      const unit = row.unit === "share of customers" ? "" : row.unit;
      return element("tr", {},
        element("td", {}, row.feature, element("span", { className: "unit" }, unit ? ` (${unit})` : "")),
        element("td", {}, bar), element("td", {}, row.inside), element("td", {}, row.others));
    }));
  };

  const drawWords = () => {
    badge.textContent = model.get("badge");
    kind.textContent = model.get("kind_sentence");
    error.textContent = model.get("error");
    code.textContent = model.get("code");
  };

  const root = element("div", { className: "segkit panel" },
    element("h4", {}, "Colour by"), color, ramp,
    element("h4", {}, "Segments: write a name, press Enter"), segments,
    element("div", {}, badge), kind, error,
    heading, hint, table,
    element("details", { className: "code" }, element("summary", {}, "The code"), code));
  el.append(root);

  const draws = {
    "change:color_by": drawColor, "change:ramp": drawColor, "change:segments": drawSegments,
    "change:wanted_names": drawHeard, "change:group": drawGroup, "change:error": drawWords, "change:code": drawWords,
    "change:badge": drawWords, "change:kind_sentence": drawWords,
  };
  for (const [event, draw] of Object.entries(draws)) model.on(event, draw);
  [drawColor, drawSegments, drawGroup, drawWords].forEach((draw) => draw());
  const letGo = keepKeys(root);
  return () => {
    letGo();
    for (const [event, draw] of Object.entries(draws)) model.off(event, draw);
  };
}

export default { render };
