// The live part of the request log: htmx asks for what is new, this pauses it and keeps the table short.

const MOST = 500; // rows in the page

const rows = document.getElementById("request_rows");
const pause = document.getElementById("request_pause");
let paused = false;

pause?.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
});

document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "request_live" && (paused || document.hidden)) event.preventDefault();
});

document.body.addEventListener("htmx:responseError", (event) => {
  if (event.target.id !== "request_live") return;
  event.target.outerHTML = '<span id="request_live" class="text-secondary">no longer live: reload the page</span>';
});

document.body.addEventListener("htmx:oobAfterSwap", () => {
  if (rows?.rows.length) document.getElementById("request_none")?.remove();
  while (rows && rows.rows.length > MOST) rows.deleteRow(-1);
});
