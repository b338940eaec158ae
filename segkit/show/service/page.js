// The page: the same view as in notebooks, on what the service sends.
import widget from "./live_map.js";

const values = { state: null, paused: false, chosen: "", marked: -1, card: {}, error: "" };
const heard = new Map();

function put(name, value) {
  values[name] = value;
  for (const tell of heard.get(`change:${name}`) || []) tell();
}

async function choose(customer) {
  try {
    const answer = await fetch(`customers/${encodeURIComponent(customer)}`);
    const said = await answer.json();
    if (customer !== values.chosen) return; // another one was pressed meanwhile
    put("card", answer.ok ? said : {});
    put("error", answer.ok ? "" : said.error);
  } catch {
    put("error", `${customer} could not be looked up: the service does not answer.`);
  }
}

const model = {
  get: (name) => values[name],
  set(name, value) {
    put(name, value);
    if (name === "chosen" && value) choose(value);
  },
  save_changes() {}, // what is chosen here stays here
  on: (event, tell) => heard.set(event, (heard.get(event) || new Set()).add(tell)),
  off: (event, tell) => heard.get(event).delete(tell),
};

const theme = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => (document.body.dataset.jpThemeLight = String(!theme.matches));
theme.addEventListener("change", follow);
follow();

const stream = new EventSource("map");
let begun = false;
stream.addEventListener("map", (message) => {
  put("state", JSON.parse(message.data));
  put("error", "");
  if (values.chosen) choose(values.chosen);
  if (begun) return;
  begun = true;
  document.getElementById("begin").remove();
  widget.render({ model, el: document.getElementById("map") });
});
stream.addEventListener("error", () => {
  const said = "The service does not answer, so the map stands still. It goes on by itself once `segkit serve` runs again.";
  if (begun) put("error", said);
  else document.getElementById("begin").textContent = said;
});
