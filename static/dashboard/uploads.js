// Files of any size in pieces, each tried again when the connection fails. Without this file one request brings one
// file of at most what the edge lets through.

const TRIES = 8;
const WAIT = 1000;

class Upload {
  constructor(form) {
    this.form = form;
    this.bar = form.querySelector("[data-progress]");
    this.said = form.querySelector("[data-said]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.all().catch((error) => this.say(error.message));
    });
  }

  say(words) {
    this.said.textContent = words;
  }

  async all() {
    const files = [...this.form.elements.file.files];
    const button = this.form.querySelector("button");
    button.disabled = true;
    this.bar.hidden = false;
    try {
      for (const file of files) await this.one(file);
      location.reload();
    } finally {
      button.disabled = false;
      this.bar.hidden = true;
    }
  }

  async one(file) {
    this.say(file.name);
    this.bar.value = 0;
    const form = new FormData(this.form);
    form.delete("file");
    form.set("name", file.name);
    form.set("size", String(file.size));
    const { token, piece } = await this.ask(this.form.action, form);
    let there = 0;
    do {
      there = await this.piece(file, token, there, piece);
      this.bar.value = file.size ? there / file.size : 1;
    } while (there < file.size);
  }

  /** Send the piece that begins at `offset`; where the next one begins. */
  async piece(file, token, offset, length) {
    const body = file.slice(offset, offset + length);
    for (let tries = 1; ; tries += 1) {
      try {
        const query = new URLSearchParams({ token, offset: String(offset) });
        return (await this.ask(`${this.form.dataset.upload}?${query}`, body)).there;
      } catch (error) {
        if (error.there >= 0 && error.there !== offset) return error.there;
        if (error.final || tries >= TRIES) throw error;
        this.say(`${file.name}: trying again`);
        await new Promise((done) => setTimeout(done, WAIT * tries));
      }
    }
  }

  async ask(address, body) {
    const headers = { "X-CSRFToken": this.form.elements.csrfmiddlewaretoken.value };
    if (!(body instanceof FormData)) headers["Content-Type"] = "application/octet-stream";
    const answer = await fetch(address, { method: "POST", body, headers });
    const found = await answer.json().catch(() => ({}));
    if (answer.ok) return found;
    const error = new Error(found.error ?? `The platform answered ${answer.status}.`);
    error.there = found.there ?? -1;
    error.final = answer.status < 500 && answer.status !== 409;
    throw error;
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) new Upload(form);
