import { Realtime } from "./realtime.js";

const $ = (id) => document.getElementById(id);
const realtime = new Realtime({ url: document.body.dataset.url });
const log = $("conversation");
const shown = new Map(); // what is on the page, by its id

// The conversation

function entry(id, kind, who) {
  if (!shown.has(id)) {
    $("empty").hidden = true;
    const article = document.createElement("article");
    article.className = `entry ${kind}`;
    const name = document.createElement("h2");
    name.textContent = who;
    const words = document.createElement("p");
    article.append(name, words);
    shown.set(id, { article, words });
    log.append(article);
    follow();
  }
  return shown.get(id);
}

let following = true; // what is new, unless the user has scrolled away from it
const follow = () => following && (log.scrollTop = log.scrollHeight);

log.onscroll = () => {
  following = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
};
new ResizeObserver(follow).observe(log);

function write(words, text) {
  if (words.textContent === text) return;
  words.textContent = text;
  follow();
}

function heard({ id, text, final }) {
  const { article, words } = entry(id, "user", "You");
  const silent = final && !text;
  article.ariaBusy = String(!final);
  article.classList.toggle("unclear", silent);
  write(words, silent ? "(not understood)" : text || "…");
}

function said({ id, text, final, interrupted, spoken }) {
  if (!text && !shown.has(id)) return;
  const { article, words } = entry(id, "model", "Model");
  // What is spoken need not be read out as well.
  article.ariaLive = spoken ? "off" : "polite";
  article.ariaBusy = String(!final);
  article.classList.toggle("interrupted", interrupted);
  write(words, interrupted ? `${text.trimEnd()} —` : text);
}

function called({ id, name, args, output, done }) {
  const { article, words } = entry(id, "tool", done ? "Looked up" : "Looking up");
  article.firstChild.textContent = done ? "Looked up" : "Looking up…";
  const given = args && args !== "{}" ? Object.values(JSON.parse(args)).join(", ") : "";
  const question = `${name.replaceAll("_", " ")}${given ? `: ${given}` : ""}`;
  write(words, output ? `${question} → ${plain(output)}` : question);
}

function plain(output) {
  try {
    const value = JSON.parse(output);
    if (value?.error) return `it failed: ${value.error}`;
    return typeof value === "string" ? value : output;
  } catch {
    return output;
  }
}

function restored({ items, resumed }) {
  if (resumed || !shown.size) {
    for (const { article } of shown.values()) article.remove();
    shown.clear();
    for (const { id, role, text } of items) {
      const mine = role === "user";
      write(entry(id, mine ? "user" : "model", mine ? "You" : "Model").words, text);
    }
    return;
  }
  const id = `new-${shown.size}`;
  write(entry(id, "note", "").words, "The server has forgotten what was said before.");
}

// The state

function become({ state, words }) {
  const off = state === "off" || (state === "connecting" && !realtime.started);
  const push = realtime.turns === "push";
  document.body.dataset.state = state;
  $("state").dataset.state = state;
  $("state").textContent = words;
  // Read out is only how the line is: who speaks, one hears.
  const down = ["off", "connecting", "waiting"].includes(state);
  const line = down ? words : "Connected";
  if ($("line").textContent !== line) $("line").textContent = line;
  const focused = document.activeElement;
  $("connect").hidden = !off;
  $("connect").textContent = state === "connecting" ? "Connecting…" : "Start talking";
  $("end").hidden = off;
  $("push").hidden = off || !push || !realtime.hasMicrophone;
  $("push-help").hidden = $("push").hidden;
  $("mute").hidden = off || push || !realtime.hasMicrophone;
  $("stop").hidden = off;
  $("stop").disabled = !["speaking", "thinking"].includes(state);
  // The focus must not get lost with a button that disappears.
  if (focused?.hidden) ($("push").hidden ? $("end") : $("push")).focus();
  if (focused === $("end") && off) $("connect").focus();
}

function tell({ words }) {
  $("problem").textContent = words;
  $("problem").hidden = !words;
}

const scale = (level) => Math.min(1, Math.sqrt(level) * 1.6);

realtime.addEventListener("heard", ({ detail }) => heard(detail));
realtime.addEventListener("said", ({ detail }) => said(detail));
realtime.addEventListener("call", ({ detail }) => called(detail));
realtime.addEventListener("restored", ({ detail }) => restored(detail));
realtime.addEventListener("state", ({ detail }) => become(detail));
realtime.addEventListener("problem", ({ detail }) => tell(detail));
realtime.addEventListener("level", ({ detail }) => {
  $("level-in").value = scale(detail.heard);
  $("level-out").value = scale(detail.said);
});

// What the user does

$("connect").onclick = () => {
  if (realtime.state !== "off") return;
  tell({ words: "" });
  realtime.start();
};
$("end").onclick = () => realtime.end();
$("stop").onclick = () => realtime.interrupt();
$("mute").onclick = () => {
  realtime.setMuted(!realtime.muted);
  $("mute").ariaPressed = String(realtime.muted);
  $("mute").textContent = realtime.muted ? "Muted" : "Mute";
};

for (const radio of document.getElementsByName("turns")) {
  radio.onchange = () => realtime.setTurns(radio.value);
}

const button = $("push");
const press = () => {
  button.ariaPressed = "true";
  button.textContent = "Release to send";
  realtime.press();
};
const release = () => {
  button.ariaPressed = "false";
  button.textContent = "Hold to talk";
  realtime.release();
};
button.onpointerdown = (event) => {
  button.setPointerCapture(event.pointerId);
  press();
};
button.onpointerup = button.onpointercancel = release;
button.oncontextmenu = (event) => event.preventDefault(); // a long touch is no click
button.onkeydown = (event) => {
  if ((event.key === " " || event.key === "Enter") && !event.repeat) {
    event.preventDefault();
    press();
  }
};
button.onkeyup = (event) => {
  if (event.key === " " || event.key === "Enter") release();
};
button.onblur = () => realtime.pressed && release();

document.onkeydown = (event) => {
  if (event.key === "Escape") realtime.interrupt();
};

$("write").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  tell({ words: "" });
  realtime.write(text);
  $("text").value = "";
};

document.querySelector("header form").onsubmit = () => realtime.end();
realtime.turns = document.querySelector("[name=turns]:checked").value;
globalThis.realtime = realtime; // to look at in the console
