// Distributions beside a map: how everyone lies, and how those who are chosen do; drag over them to choose.

const BARS = 28;
const TALL = 46; // pixels
const UNKNOWN = 0; // the step of who has no value; all others go from 1 to 255

const barOf = (step) => Math.min(BARS - 1, (((step - 1) * BARS) / 255) | 0);

// How many lie in each bar, for everyone, group A and group B.
function countBars(steps, flags) {
  const fine = new Uint32Array(3 * 256); // of each group the steps, which are bars soon enough
  if (flags === null) for (let i = 0; i < steps.length; i += 1) fine[steps[i]] += 1;
  else for (let i = 0; i < steps.length; i += 1) fine[(flags[i] << 8) | steps[i]] += 1;
  const counts = [new Uint32Array(BARS), new Uint32Array(BARS), new Uint32Array(BARS)];
  for (let group = 0; group < 3; group += 1) {
    for (let step = UNKNOWN + 1; step < 256; step += 1) {
      const many = fine[(group << 8) | step], bar = barOf(step);
      counts[0][bar] += many;
      if (group) counts[group][bar] += many;
    }
  }
  return counts;
}

// `keep(inside)`: choose those for whom inside(i) is true, among those who are chosen, or among all.
function histogram({ name, keep }) {
  const canvas = element("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "slider");
  canvas.setAttribute("aria-label", `${name}: arrows move, Shift and arrows widen, Enter chooses this range`);
  canvas.setAttribute("aria-valuemin", 1);
  canvas.setAttribute("aria-valuemax", BARS);
  const low = element("span"), high = element("span"), kind = element("span", { className: "unit" });
  const root = element("figure", { className: "histogram" }, element("figcaption", {}, name, " ", kind), canvas, element("div", { className: "ends" }, low, high));
  const pen = canvas.getContext("2d");
  let steps = null, flags = null, range = null, from = null;
  // What screen readers say: the bars that are chosen, and what the first and the last one stand for.
  const say = () => {
    const [first, last] = range ? [Math.min(...range), Math.max(...range)] : [0, BARS - 1];
    canvas.setAttribute("aria-valuenow", range ? range[1] + 1 : BARS);
    canvas.setAttribute("aria-valuetext", `bars ${first + 1} to ${last + 1} of ${BARS}, which go from ${low.textContent} to ${high.textContent}`);
  };
  say();

  const draw = () => {
    const wide = canvas.clientWidth, dense = window.devicePixelRatio || 1;
    if (!wide || !steps || !pen) return;
    [canvas.width, canvas.height] = [Math.round(wide * dense), TALL * dense];
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    const step = wide / BARS, counts = countBars(steps, flags);
    // Each group has its own scale, so that shapes can be compared whatever the sizes. B is a line, so that A shows below it.
    counts.forEach((bars, group) => {
      const most = Math.max(...bars), top = (i) => TALL - 1 - (bars[i] / most) * (TALL - 3);
      if (!most) return;
      pen.fillStyle = pen.strokeStyle = group ? groupColors()[group - 1] : "#8c8c8c";
      pen.globalAlpha = group ? 0.9 : flags ? 0.35 : 0.7;
      if (group < 2) bars.forEach((n, i) => n && pen.fillRect(i * step + 0.5, Math.min(top(i), TALL - 2), step - 1, TALL));
      else {
        pen.lineWidth = 2;
        pen.beginPath();
        bars.forEach((_, i) => [i, i + 1].forEach((edge) => pen.lineTo(edge * step, top(i))));
        pen.stroke();
      }
    });
    pen.globalAlpha = 1;
    if (range) {
      const [first, last] = [Math.min(...range), Math.max(...range)];
      pen.strokeStyle = getComputedStyle(canvas).color;
      pen.lineWidth = 1.5;
      pen.strokeRect(first * step + 1, 1, (last - first + 1) * step - 2, TALL - 2);
    }
  };
  const apply = () => {
    const [first, last] = [Math.min(...range), Math.max(...range)];
    range = null;
    keep((i) => steps[i] !== UNKNOWN && barOf(steps[i]) >= first && barOf(steps[i]) <= last);
  };
  const at = (event) => Math.min(BARS - 1, Math.max(0, Math.floor(((event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth) * BARS)));
  canvas.addEventListener("pointerdown", (event) => {
    if (!steps || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    from = at(event);
    range = [from, from];
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from === null) return;
    range = [from, at(event)];
    draw();
  });
  canvas.addEventListener("pointerup", () => {
    if (from === null) return;
    from = null;
    apply();
  });
  canvas.addEventListener("pointercancel", () => {
    from = range = null;
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) {
      const to = Math.min(BARS - 1, Math.max(0, (range ? range[1] : by > 0 ? -1 : BARS) + by));
      range = event.shiftKey && range ? [range[0], to] : [to, to];
      say();
      draw();
    } else if (event.key === "Enter" && range) apply();
    else return;
    event.preventDefault();
  });
  return {
    root, draw,
    fill(nextSteps, ends) {
      steps = nextSteps;
      const logarithmic = ends[1].endsWith(" (logarithmic)");
      [low.textContent, high.textContent, kind.textContent] = [ends[0], ends[1].replace(" (logarithmic)", ""), logarithmic ? "logarithmic" : ""];
      root.dataset.filled = true;
      say();
      draw();
    },
    choose(next) {
      flags = next;
      draw();
    },
  };
}

// In which segments those who are chosen are; press a part to keep only these.
function categoryBar({ keep }) {
  const bar = element("div", { className: "parts" }), said = element("div", { className: "hint" }, "In which segments they are. Press one to keep only these.");
  const root = element("div", { className: "categories", hidden: true }, bar, said);
  return {
    root,
    show(segments, labels, flags, minimum) {
      root.hidden = flags === null;
      if (flags === null) return;
      const counts = new Uint32Array(segments.length);
      let all = 0;
      for (let i = 0; i < labels.length; i += 1) if (flags[i] === 1) { counts[labels[i]] += 1; all += 1; }
      bar.replaceChildren(...segments.flatMap((segment, at) => {
        if (!counts[at]) return [];
        const few = counts[at] < minimum ? `fewer than ${number(minimum)}` : `${number(counts[at])} (${Math.round((100 * counts[at]) / all)}%)`;
        const part = element("button", { type: "button", title: `${segment.name}: ${few}` });
        part.setAttribute("aria-label", `Keep ${segment.name}: ${few}`);
        part.style.background = segment.color;
        part.style.flexGrow = Math.max(counts[at], minimum);
        part.addEventListener("click", () => keep((i) => labels[i] === at));
        return [part];
      }));
    },
  };
}
