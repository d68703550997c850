const express = require("express");
const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL });
const app = express();
const title = escape(process.env.TITLE || "Guest book");

app.use(express.urlencoded({ extended: false, limit: "10kb" }));

app.get("/healthz", async (request, response) => {
  await pool.query("SELECT 1");
  response.type("text").send("ok");
});

app.get("/", async (request, response) => {
  const found = await pool.query("SELECT words FROM entries ORDER BY id DESC LIMIT 50");
  const rows = found.rows.map((row) => `<li>${escape(row.words)}</li>`).join("");
  response.send(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>` +
      `<form method="post"><input name="words" aria-label="Your words" maxlength="200" required> <button>Write</button></form>` +
      `<ul>${rows}</ul></html>`,
  );
});

app.post("/", async (request, response) => {
  const words = String(request.body.words || "").slice(0, 200).trim();
  if (words) await pool.query("INSERT INTO entries (words) VALUES ($1)", [words]);
  response.redirect(303, "/");
});

function escape(text) {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (mark) => marks[mark]);
}

const server = app.listen(process.env.PORT || 3000, "0.0.0.0");
process.on("SIGTERM", () => server.close(() => pool.end()));
