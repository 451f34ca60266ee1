// Progressive enhancement: every page works without this file.

const say = (text) => { document.getElementById("status").textContent = text; };

// <form data-live="report">: ask on change, refill one element, keep the address true.
let request;
let shown = location.pathname + location.search;
async function refill(url, id) {
  request?.abort();
  request = new AbortController();
  const region = document.getElementById(id);
  region.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(url, { signal: request.signal });
    if (!response.ok || response.redirected) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    region.replaceChildren(...page.getElementById(id).childNodes);
    region.removeAttribute("aria-busy");
    say((region.querySelector("[data-summary]") ?? region.querySelector("h2"))?.textContent ?? "Updated");
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url); // let the server explain
  }
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-live]");
  if (!form || !form.checkValidity()) return;
  const filled = [...new FormData(form)].filter(([, value]) => value);
  const url = `${form.getAttribute("action")}?${new URLSearchParams(filled)}`;
  history.pushState({}, "", url);
  shown = location.pathname + location.search;
  refill(url, form.dataset.live);
});
addEventListener("popstate", () => {
  if (shown !== location.pathname + location.search) location.reload(); // else only the #place moved
});

// <input readonly><button data-copy>: the clipboard is closed to plain HTTP, selecting is not.
async function copy(button) {
  const field = button.previousElementSibling;
  field.select();
  let done = false;
  try {
    await navigator.clipboard.writeText(field.value);
    done = true;
  } catch {
    done = document.execCommand("copy");
  }
  const word = button.querySelector("[data-say]");
  word.textContent = done ? "Copied" : "Press Ctrl+C";
  say(done ? "Copied" : "Selected: press Control and C to copy");
  setTimeout(() => { word.textContent = "Copy"; }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});

// A link field shows its beginning, and is ready to copy when it is entered.
document.addEventListener("focusin", (event) => {
  if (event.target.matches(".copy input")) event.target.select();
});
