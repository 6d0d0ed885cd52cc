"use strict";
// One page, no parts from elsewhere. What comes from captions, labels and file names is only ever set as text.

const by = (id) => document.getElementById(id);
const WAIT_MS = 120; // between a keystroke and its question
const MOST_SIDE = 1600; // pixels of a picture that is sent; the model reads far fewer
const SHOWN = 24;

const state = { models: [], picture: null, like: null, asking: null, taking: null, labelling: null, timer: 0 };

class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const key = () => sessionStorage.getItem("diptych.key");

let door = null; // the one question for a key that all who wait share

async function call(path, body, signal) {
  const used = key();
  const headers = body ? { "content-type": "application/json" } : {};
  if (used) headers.authorization = `Bearer ${used}`;
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  if (answer.status === 401) {
    if (key() === used) await (door ??= enter().finally(() => { door = null; }));
    if (key() && key() !== used) return call(path, body, signal);
  }
  const said = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, said.error.code, said.error.message);
  return said;
}

const typedKey = () => by("key").value.trim();
const unsendable = (text) => [...text].find((letter) => !/[ -~]/.test(letter)); // a key with it was refused by the browser itself, so that nobody asked for another

function enter() {
  return new Promise((done) => {
    by("door").addEventListener("close", () => {
      const typed = typedKey();
      if (typed && !unsendable(typed)) sessionStorage.setItem("diptych.key", typed);
      by("key").value = by("no-key").textContent = "";
      done();
    }, { once: true });
    by("door").showModal();
  });
}

function made(tag, text = "", attributes = {}) {
  const one = document.createElement(tag);
  one.textContent = text;
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  return one;
}

async function served() {
  state.models = (await call("v1/models")).data;
  by("both").hidden = state.models.length < 2;
  if (by("both").hidden) by("compare").checked = false;
}

async function begin() {
  try {
    await served();
  } catch (err) {
    by("about").textContent = `No answer: ${err.message}`;
    return;
  }
  const [first] = state.models;
  if (!first) {
    by("about").textContent = "No model is served yet. Run make run, which ends with one, and open this page again.";
    return;
  }
  const count = first.index ? `${first.index.pictures.toLocaleString("en")} pictures` : "no pictures to search among";
  by("about").textContent = `${first.id}, ${count}`;
  if (first.index) {
    filters(first.index.filters);
    languages(first.index.languages);
  }
  by("said").textContent = "";
}

// The answer of each version that is compared, or of the one that answers; after a deploy the versions are other ones, and it is asked again.
async function each(ask) {
  const sides = () => (by("compare").checked ? state.models.slice(0, 2) : [null]);
  const asked = async () => Promise.all(sides().map(async (model) => {
    try {
      return { model, answer: await ask(model ? model.id : "") };
    } catch (err) {
      return { model, err };
    }
  }));
  const found = await asked();
  if (!found.some((one) => one.model && one.err?.code === "model_not_found")) return found;
  try {
    await served();
  } catch {
    return found; // the server is gone meanwhile: what it said last is shown
  }
  return asked();
}

function filters(columns) {
  by("narrow").hidden = !Object.keys(columns).length;
  for (const [name, values] of Object.entries(columns)) {
    const label = made("label", `${name[0].toUpperCase()}${name.slice(1)} `);
    const select = made("select", "", { "data-filter": name });
    select.append(made("option", "any", { value: "" }));
    for (const [value, rows] of Object.entries(values)) select.append(made("option", `${value} (${rows.toLocaleString("en")})`, { value }));
    select.addEventListener("change", ask);
    label.append(select);
    by("filters").append(label);
  }
}

function languages(counts) {
  const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });
  const named = (code) => { try { return names.of(code.replaceAll("_", "-")); } catch { return code; } }; // data has codes of its own
  const known = Object.keys(counts).filter((code) => code !== "und");
  if (known.length < 2) return;
  for (const code of known) by("language").append(made("option", named(code), { value: code, lang: code }));
  by("language").value = known.includes("en") ? "en" : known[0];
  by("language").addEventListener("change", ask);
  by("speak").hidden = false;
}

function question() {
  const found = { mode: by("mode").value, filter: {}, top_k: SHOWN };
  for (const select of document.querySelectorAll("[data-filter]")) if (select.value) found.filter[select.dataset.filter] = [select.value];
  const words = by("words").value.trim();
  if (state.picture) found.image = state.picture;
  else if (state.like) found.like = state.like.key;
  else if (words) found.query = words;
  else return null;
  return found;
}

async function ask() {
  clearTimeout(state.timer);
  state.asking?.abort();
  state.asking = null;
  const body = question();
  if (!body) {
    by("results").replaceChildren();
    by("said").textContent = "";
    return;
  }
  const asking = (state.asking = new AbortController());
  const like = state.like;  // which may be another by the time of an answer
  const began = performance.now();
  try {
    const found = await each((model) => call("v1/search", { ...body, model: model || (body.like && like.model) || "" }, asking.signal));
    if (asking !== state.asking) return;
    const ms = Math.round(performance.now() - began);
    const answers = found.filter((one) => one.answer).map((one) => one.answer);
    if (!answers.length) throw found[0].err;
    by("results").classList.toggle("two", found.length > 1);
    by("results").replaceChildren(...found.map((one) => (one.answer ? side(one.answer, body, found.length > 1) : refused(one))));
    const what = body.image ? "your picture" : body.like ? `“${like.text}”` : `“${body.query}”`;
    by("said").textContent = `${answers[0].hits.length} pictures for ${what} in ${ms} ms, by ${answers.map((one) => one.model).join(" and ")}.`;
  } catch (err) {
    if (err.name === "AbortError") return;
    by("results").replaceChildren();
    by("said").textContent = err.message;
  }
}

function side(answer, body, titled) {
  const section = made("section");
  if (titled) section.append(made("h2", answer.model));
  const list = made("ol", "", { class: "hits", "aria-label": `Nearest pictures, by ${answer.model}` });
  list.append(...answer.hits.map((hit) => card(hit, answer, body)));
  section.append(list);
  return section;
}

function refused(one) {
  const section = made("section");
  section.append(made("h2", one.model.id), made("p", one.err.message, { class: "muted" }));
  return section;
}

function card(hit, answer, body) {
  const spoken = by("language").value;
  const its = hit.texts[spoken];
  const text = its ? its[0] : hit.text;
  const item = made("li");
  item.append(shown(hit, text, answer.model), made("span", text, its ? { class: "caption", lang: spoken, dir: "auto" } : { class: "caption", dir: "auto" }));
  const near = hit.score === null ? "" : `${hit.score.toFixed(2)} `;
  item.append(made("span", `${near}${hit.columns.source ?? ""}`, { class: "small", title: hit.key }));
  const acts = made("div", "", { class: "acts" });
  const more = made("button", "Alike", { type: "button", "aria-label": `Pictures like ${text}` });
  more.addEventListener("click", () => {
    put(null);
    state.like = { key: hit.key, text, model: answer.model };
    by("words").value = "";
    ask();
    by("results").focus();
  });
  acts.append(more);
  if (body.query) acts.append(thumb("up", "✓", "Fits", hit, answer, body), thumb("down", "✕", "Does not fit", hit, answer, body));
  item.append(acts);
  return item;
}

function shown(hit, text, model) {
  if (!hit.picture) return made("div", "no picture here", { class: "blank" });
  const image = made("img", "", { alt: text, loading: "lazy", decoding: "async" });
  const path = `v1/pictures/${hit.key.split("/").map(encodeURIComponent).join("/")}?side=160&model=${encodeURIComponent(model)}`;
  image.addEventListener("error", () => image.replaceWith(made("div", "not there any more", { class: "blank" })));
  if (key()) {
    fetch(path, { headers: { authorization: `Bearer ${key()}` } })
      .then((answer) => (answer.ok ? answer.blob() : Promise.reject(new Error(answer.status))))
      .then((blob) => {
        image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
        image.src = URL.createObjectURL(blob);
      })
      .catch(() => image.dispatchEvent(new Event("error")));
  } else image.src = path;
  return image;
}

function thumb(vote, sign, said, hit, answer, body) {
  const button = made("button", sign, { type: "button", class: vote, "aria-label": `${said}: ${hit.text}`, "aria-pressed": "false", title: said });
  button.addEventListener("click", async () => {
    try {
      await call("v1/feedback", { query: body.query, key: hit.key, vote, model: answer.model });
      for (const one of button.parentElement.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", String(one === button));
      by("said").textContent = `Kept: ${hit.text} ${vote === "up" ? "fits" : "does not fit"} “${body.query}”.`;
    } catch (err) {
      by("said").textContent = err.message;
    }
  });
  return button;
}

function put(picture, name = "") {
  state.picture = picture;
  state.taking = null;
  state.like = null;
  by("named").textContent = name;
  by("shown").hidden = !picture;
  by("labels").replaceChildren();
  if (!picture) by("preview").removeAttribute("src");
}

async function take(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) {
    by("said").textContent = "That is no picture.";
    return;
  }
  const mine = (state.taking = {});
  let picture;
  try {
    picture = await small(file);
  } catch {
    if (state.taking === mine) by("said").textContent = "This picture cannot be read.";
    return;
  }
  if (state.taking !== mine) return; // another was given meanwhile, or words were typed
  put(picture, file.name);
  by("words").value = "";
  by("preview").src = picture;
  ask();
  label();
}

async function label() {
  const picture = state.picture;
  if (!picture) return;
  const labelling = (state.labelling = {});
  const found = await each((model) => call("v1/classify", { image: picture, top_k: 6, model }));
  if (labelling !== state.labelling || state.picture !== picture) return;
  by("labels").classList.toggle("two", found.length > 1);
  by("labels").replaceChildren(...found.map((one) => labels(one, found.length > 1)));
}

function labels(one, titled) {
  const section = made("section");
  if (titled) section.append(made("h4", one.model.id));
  if (one.err) section.append(made("p", one.err.message, { class: "muted" }));
  else {
    const list = made("ol", "", { class: "labels" });
    list.append(...one.answer.labels.map(labelled));
    section.append(list);
  }
  return section;
}

function labelled(one) {
  const item = made("li");
  const share = made("meter", "", { min: 0, max: 1, value: one.score, "aria-label": one.label });
  item.append(made("span", one.label), share, made("span", `${(one.score * 100).toFixed(1)}%`, { class: "n" }));
  return item;
}

async function small(file) {
  const bitmap = await createImageBitmap(file);
  const by = Math.min(1, MOST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * by));
  canvas.height = Math.max(1, Math.round(bitmap.height * by));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL(file.type === "image/jpeg" ? "image/jpeg" : "image/png", 0.92);
}

by("door").addEventListener("submit", (event) => {
  const wrong = unsendable(typedKey());
  if (!wrong) return;
  event.preventDefault();
  by("no-key").textContent = `No key has “${wrong}” in it. Copy yours again, whole, as diptych keys add showed it.`;
});
by("ask").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
by("words").addEventListener("input", () => {
  put(null);
  clearTimeout(state.timer);
  state.timer = setTimeout(ask, WAIT_MS);
});
for (const id of ["file", "shoot"]) by(id).addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
for (const id of ["mode", "compare"]) by(id).addEventListener("change", ask);
by("compare").addEventListener("change", label);
by("clear").addEventListener("click", () => { put(null); ask(); by("words").focus(); });
addEventListener("paste", (event) => take([...event.clipboardData.files].find((one) => one.type.startsWith("image/"))));
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("drop"); });
addEventListener("dragleave", () => document.body.classList.remove("drop"));
addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("drop"); take(event.dataTransfer.files[0]); });
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { event.preventDefault(); by("words").focus(); }
});
begin();
