import { Realtime } from "./realtime.js";

const $ = (id) => document.getElementById(id);
const { url, user } = document.body.dataset;
const realtime = new Realtime({ url });
const log = $("conversation");
const shown = new Map(); // what is on the page, by its id

// The conversation

function entry(id, kind, who) {
  if (!shown.has(id)) {
    $("empty").hidden = true;
    const article = document.createElement("article");
    article.className = `entry ${kind}`;
    const name = document.createElement("h2");
    const words = document.createElement("p");
    article.append(name, words);
    shown.set(id, { article, name, words });
    log.append(article);
    follow();
  }
  write(shown.get(id).name, who);
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

function heard({ id, text, final, pending = false, failed = false }) {
  const { article, words } = entry(id, "user", pending ? "You – being sent…" : "You");
  if (failed) {
    article.remove();
    shown.delete(id);
    $("text").value = `${$("text").value} ${text}`.trim();
    return;
  }
  const silent = final && !text;
  article.ariaBusy = String(!final);
  article.classList.toggle("unclear", silent);
  article.classList.toggle("pending", pending);
  if (pending) log.append(article); // after what comes in before it
  write(words, silent ? "(not understood)" : text || "…");
}

function said({ id, text, final, interrupted, spoken }) {
  if (!text && !shown.has(id)) return;
  const { article, words } = entry(id, "model", "Model");
  // What is spoken need not be read out as well, unless it is not heard.
  article.ariaLive = spoken && !$("announce").checked ? "off" : "polite";
  article.ariaBusy = String(!final);
  article.classList.toggle("interrupted", interrupted);
  write(words, interrupted ? `${text.trimEnd()} —` : text);
}

function called({ id, name, args, output, done }) {
  const { words } = entry(id, "tool", done ? "Looked up" : "Looking up…");
  const given = args ? Object.values(parse(args) ?? {}).join(", ") : "";
  const question = `${name.replaceAll("_", " ")}${given ? `: ${given}` : ""}`;
  write(words, output ? `${question} → ${plain(output)}` : question);
}

function plain(output) {
  const value = parse(output);
  if (value?.error) return `it failed: ${value.error}`;
  return typeof value === "string" ? value : output;
}

/** What a model or a function has written may be cut short. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function restored({ items, resumed, forgotten }) {
  if (resumed) {
    for (const { article } of shown.values()) article.remove();
    shown.clear();
  } else if (log.querySelector(".entry:not(.pending)")) {
    const words = forgotten
      ? "The server has forgotten what was said before."
      : "A new conversation.";
    write(entry(`new-${shown.size}`, "note", "").words, words);
  }
  for (const { id, role, text } of items) {
    const mine = role === "user";
    write(entry(id, mine ? "user" : "model", mine ? "You" : "Model").words, text);
  }
}

// The state

function render({ state, words }) {
  const off = state === "off";
  // Read out is only how the line is: who speaks, one hears.
  const down = ["off", "connecting", "waiting"].includes(state);
  const push = realtime.turns === "push";
  const { hasMicrophone, isAsking, muted, pressed } = realtime;
  const canSpeak = hasMicrophone && !off && state !== "connecting";
  const askFor = isAsking
    ? "Asking for the microphone…"
    : hasMicrophone ? "Connecting…" : "Turn on the microphone";
  const focused = document.activeElement;
  $("state").dataset.state = state;
  write($("state"), words);
  write($("line"), down || words === "Muted" ? words : "Connected");
  $("connect").hidden = !off;
  $("microphone").hidden = off || canSpeak;
  write($("microphone"), askFor);
  $("push").hidden = $("push-help").hidden = !push || !canSpeak;
  $("push").ariaPressed = String(pressed);
  $("push").ariaDisabled = String(down);
  write($("push"), pressed ? "Release to send" : "Hold to talk");
  $("mute").hidden = push || !canSpeak;
  write($("mute"), muted ? "Unmute" : "Mute");
  $("stop").hidden = $("stop-help").hidden = $("end").hidden = off;
  // Not disabled: it would lose the focus when it has been used.
  $("stop").ariaDisabled = String(!["speaking", "thinking"].includes(state));
  // The focus must not get lost with a button that disappears.
  const next = ["connect", "push", "microphone", "mute", "end"].map($);
  if (focused?.hidden) next.find((button) => !button.hidden).focus();
}

function tell({ words, code }) {
  write($("problem-words"), words);
  $("login").hidden = code !== 4401;
  $("problem").hidden = !words;
}

const scale = (level) => Math.min(1, Math.sqrt(level) * 1.6);

realtime.addEventListener("heard", ({ detail }) => heard(detail));
realtime.addEventListener("said", ({ detail }) => said(detail));
realtime.addEventListener("call", ({ detail }) => called(detail));
realtime.addEventListener("restored", ({ detail }) => restored(detail));
realtime.addEventListener("state", ({ detail }) => render(detail));
realtime.addEventListener("problem", ({ detail }) => tell(detail));
realtime.addEventListener("level", ({ detail }) => {
  $("level-in").value = scale(detail.heard);
  $("level-out").value = scale(detail.said);
});

// What the user does

$("connect").onclick = () => realtime.start();
$("microphone").onclick = () => realtime.openMicrophone();
$("end").onclick = () => realtime.end();
$("stop").onclick = () => realtime.interrupt();
$("mute").onclick = () => realtime.setMuted(!realtime.muted);

for (const radio of document.getElementsByName("turns")) {
  radio.onchange = () => realtime.setTurns(radio.value);
}

const button = $("push");
const release = () => realtime.release();
button.onpointerdown = (event) => {
  button.setPointerCapture(event.pointerId);
  realtime.press();
};
button.onpointerup = button.onpointercancel = button.onblur = release;
button.oncontextmenu = (event) => event.preventDefault(); // a long touch is no click
button.onkeydown = (event) => {
  if ((event.key === " " || event.key === "Enter") && !event.repeat) {
    event.preventDefault();
    realtime.press();
  }
};
button.onkeyup = (event) => {
  if (event.key === " " || event.key === "Enter") release();
};

document.onkeydown = (event) => {
  if (event.key === "Escape") realtime.interrupt();
};

$("write").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value;
  $("text").value = "";
  realtime.write(text);
};

$("announce").checked = localStorage.getItem("announce") === "yes";
$("announce").onchange = () =>
  localStorage.setItem("announce", $("announce").checked ? "yes" : "no");

// What was not sent is still there after a login.
const draft = `draft:${user}`;
$("text").value = sessionStorage.getItem(draft) ?? "";
addEventListener("pagehide", () => sessionStorage.setItem(draft, $("text").value));

document.querySelector("header form").onsubmit = () => {
  realtime.end();
  $("text").value = "";
};
realtime.turns = document.querySelector("[name=turns]:checked").value;
globalThis.realtime = realtime; // to look at in the console
