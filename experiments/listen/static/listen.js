"use strict";
// Plays the pieces, takes the answers, and keeps each in the browser until the server says that it has it.

const content = JSON.parse(document.getElementById("content").textContent);
const pieces = content.pieces.map((piece) => ({ ...piece, heard: 0, begun: piece.score !== null }));
const [audio, heading, saved, progress, play, seek, time, scores, hint, back, next, finish] =
  "audio heading saved progress play seek time scores hint back next finish"
    .split(" ").map((id) => document.getElementById(id));
const buttons = [...scores.children];
let here = 0;

// Answers that the server does not have yet ---------------------------------------------------------

const waiting = new Map(); // piece id -> { score, stamp, heard }
let sending = null, delay = 1000, timer = 0, refused = "";

// One entry for each answer, so that two tabs do not overwrite each other's; a shared computer may hold those
// of other listeners, too.
const entry = (id) => `listen ${content.listener} ${id}`;

function stored(id) {
  try {
    return JSON.parse(localStorage.getItem(entry(id)));
  } catch {
    return null;
  }
}

function keep(id) {
  try {
    if (waiting.has(id)) localStorage.setItem(entry(id), JSON.stringify(waiting.get(id)));
    else localStorage.removeItem(entry(id));
  } catch { /* no storage in this browser: the answers wait in memory */ }
}

for (const piece of pieces) { // what an earlier visit could not send
  const answer = stored(piece.id);
  if (!answer) continue;
  if (answer.stamp > (piece.stamp ?? -1)) {
    waiting.set(piece.id, answer);
    Object.assign(piece, answer, { begun: true });
  } else keep(piece.id);
}

function send() { // one at a time; what is added meanwhile goes along
  clearTimeout(timer);
  sending ??= sendAll().finally(() => { sending = null; });
  return sending;
}

async function sendAll() {
  while (waiting.size && !refused) {
    const [id, answer] = waiting.entries().next().value;
    const response = await post({ piece: id, ...answer });
    if (response?.ok) {
      delay = 1000;
      if (waiting.get(id).stamp === answer.stamp) { // else there is a newer one
        waiting.delete(id);
        keep(id);
      }
    } else if (response && response.status >= 400 && response.status < 500 && response.status !== 429) {
      refused = (await response.json().catch(() => ({}))).error || "Something went wrong.";
    } else {
      timer = setTimeout(send, delay);
      delay = Math.min(2 * delay, 30000);
      break;
    }
  }
  showSaved(Boolean(waiting.size));
}

async function post(body) {
  const stop = new AbortController();
  const limit = setTimeout(() => stop.abort(), 15000);
  try {
    return await fetch(content.rate, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: stop.signal,
      keepalive: true, // goes out even if the page is closed now
    });
  } catch {
    return null; // no connection
  } finally {
    clearTimeout(limit);
  }
}

function showSaved(failed) {
  const count = waiting.size;
  const many = count > 1 ? `${count} answers` : "1 answer";
  saved.className = count && (failed || refused) ? "warning" : "";
  if (refused) saved.textContent = `Not saved: ${refused} Please reload the page.`;
  else if (count) saved.textContent = failed ? `${many} not saved yet` : "Saving …";
  else saved.textContent = pieces.some((piece) => piece.score !== null) ? "Saved" : "";
}

window.addEventListener("online", () => { delay = 1000; send(); });
window.addEventListener("offline", () => showSaved(true));
document.addEventListener("visibilitychange", send);

// Rating and moving ---------------------------------------------------------------------------------

function rate(score) {
  const piece = pieces[here];
  if (!piece.begun) {
    hint.textContent = "Listen first, then rate.";
    return;
  }
  piece.score = score;
  piece.stamp = Math.max(Date.now(), (piece.stamp ?? 0) + 1);
  waiting.set(piece.id, { score, stamp: piece.stamp, heard: Math.round(piece.heard * 10) / 10 });
  keep(piece.id);
  showAnswer();
  showSaved(false);
  send();
}

function showAnswer() {
  const piece = pieces[here];
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.score) === piece.score));
    button.setAttribute("aria-disabled", String(!piece.begun));
  }
  const rated = pieces.filter(({ score }) => score !== null).length;
  const all = rated === pieces.length;
  progress.value = rated;
  finish.hidden = !all;
  const last = here === pieces.length - 1;
  next.classList.toggle("primary", piece.score !== null && !all);
  next.textContent = last && !all ? "To the unrated" : "Next";
  next.disabled = last && (all || piece.score === null && rated === pieces.length - 1);
  back.disabled = here === 0;
  hint.textContent = piece.begun ? "" : "Listen, then rate.";
}

function show(index) {
  here = index;
  const piece = pieces[here];
  audio.pause();
  audio.src = loaded.get(piece.id) || piece.audio;
  heading.textContent = `Piece ${here + 1} of ${pieces.length}`;
  showAnswer();
  showTime();
  fetchAhead();
}

function move(step) {
  const unrated = pieces.findIndex(({ score }) => score === null);
  const beyond = here + step >= pieces.length;
  const target = beyond ? unrated : here + step;
  if (target < 0 || target === here) return;
  show(target);
  heading.focus({ preventScroll: true }); // screen readers say where we are; Next stays one key away
}

// Playing -------------------------------------------------------------------------------------------

const loaded = new Map(); // piece id -> address of what was fetched ahead, for when the connection is lost

async function fetchAhead() {
  const piece = pieces[here + 1];
  const near = new Set([here - 1, here, here + 1].map((i) => pieces[i]?.id));
  for (const [id, url] of loaded) {
    if (near.has(id)) continue;
    URL.revokeObjectURL(url);
    loaded.delete(id);
  }
  if (!piece || loaded.has(piece.id)) return;
  try {
    const response = await fetch(piece.audio);
    if (!response.ok) return;
    const blob = await response.blob();
    if (pieces[here + 1] === piece && !loaded.has(piece.id)) loaded.set(piece.id, URL.createObjectURL(blob));
  } catch { /* it is fetched when it is played */ }
}

async function toggle() {
  if (!audio.paused) return audio.pause();
  if (audio.error) { // the connection was lost: once more, from where it stopped
    const at = audio.currentTime;
    audio.load();
    audio.currentTime = at;
  }
  try {
    await audio.play();
  } catch (error) {
    if (error.name !== "AbortError") hint.textContent = "The piece could not be loaded. Press play to try again.";
  }
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function showTime() {
  const length = Number.isFinite(audio.duration) ? audio.duration : 0;
  seek.max = length || 1;
  seek.value = audio.currentTime;
  seek.style.setProperty("--played", `${length ? (100 * audio.currentTime) / length : 0}%`);
  time.textContent = length ? `${clock(audio.currentTime)} / ${clock(length)}` : "0:00";
  seek.setAttribute("aria-valuetext", `${clock(audio.currentTime)} of ${clock(length)}`);
}

function showPlaying() {
  const playing = !audio.paused && !audio.ended;
  play.classList.toggle("playing", playing);
  play.setAttribute("aria-label", playing ? "Pause" : "Play");
}

for (const event of ["play", "pause", "ended", "emptied"]) audio.addEventListener(event, showPlaying);
for (const event of ["loadedmetadata", "seeked", "emptied"]) audio.addEventListener(event, showTime);
audio.addEventListener("timeupdate", () => {
  const piece = pieces[here];
  if (audio.currentTime > 0 && !audio.paused) {
    piece.heard = Math.max(piece.heard, audio.currentTime);
    if (!piece.begun) {
      piece.begun = true;
      showAnswer();
    }
  }
  showTime();
});
audio.addEventListener("playing", showAnswer); // no hint any more that it could not
seek.addEventListener("input", () => { audio.currentTime = Number(seek.value); });
play.addEventListener("click", toggle);
back.addEventListener("click", () => move(-1));
next.addEventListener("click", () => move(1));
scores.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) rate(Number(button.dataset.score));
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  const focused = document.activeElement;
  // A control reached with the keyboard keeps its own keys; after a click, the page's keys work again.
  const own = focused?.matches("button:focus-visible:not(#play)");
  if (event.key === " " && !own) {
    event.preventDefault();
    if (!event.repeat) toggle();
  } else if (/^[0-5]$/.test(event.key) && !event.repeat) {
    rate(Number(event.key));
  } else if (focused !== seek && event.key === "ArrowLeft") {
    move(-1);
  } else if (focused !== seek && event.key === "ArrowRight") {
    move(1);
  }
});

finish.addEventListener("submit", async (event) => {
  event.preventDefault();
  await send(); // first all answers, then the end
  if (waiting.size) return;
  try {
    const response = await fetch(finish.action, { method: "POST" });
    if (!response.ok) throw new Error(response.statusText);
    location.assign(response.url); // where the server leads: on, or back if an answer is missing
  } catch {
    hint.textContent = "All answers are saved, but there is no connection now. Press Finish again.";
  }
});

const first = pieces.findIndex(({ score }) => score === null);
document.getElementById("test").hidden = false;
show(first < 0 ? pieces.length - 1 : first);
showSaved(false);
send();
