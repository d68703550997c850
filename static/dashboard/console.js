// The editor of statements: names are completed, Ctrl+Enter runs. Without it the text field does the same work.

const field = document.getElementById("statement");
const form = document.getElementById("statement_form");

if (field && window.CodeMirror) {
  const mode = field.dataset.kind === "postgresql" ? "text/x-pgsql" : "text/x-mariadb";
  const run = () => form.querySelector("button.statement-run").click();
  const editor = window.CodeMirror.fromTextArea(field, {
    mode,
    lineNumbers: true,
    lineWrapping: true,
    hintOptions: { tables: JSON.parse(field.dataset.names), completeSingle: false },
    extraKeys: {
      "Ctrl-Space": "autocomplete",
      "Ctrl-Enter": run,
      "Cmd-Enter": run,
      Tab: false, // the keyboard leaves the editor as it leaves any field
      "Shift-Tab": false,
    },
  });
  editor.getInputField().setAttribute("aria-label", "Statement");
  editor.on("change", () => editor.save());
  editor.on("inputRead", (_, change) => {
    if (/[\w.]/.test(change.text[0].slice(-1))) editor.showHint({ completeSingle: false });
  });
} else {
  field?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.querySelector("button.statement-run").click();
  });
}

// Files come by the browser's own way of sending a form.
for (const button of document.querySelectorAll("button[data-plain]")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    event.stopPropagation();
    const given = new FormData(form);
    const plain = document.createElement("form");
    plain.method = "post";
    plain.action = button.formAction;
    if (button.name) given.set(button.name, button.value);
    for (const [name, value] of given) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value;
      plain.append(input);
    }
    document.body.append(plain);
    plain.submit();
    plain.remove();
  });
}

document.getElementById("console_database")?.addEventListener("change", (event) => {
  const to = new URL(location.href);
  to.search = new URLSearchParams({ database: event.target.value, text: field.value }).toString();
  if (to.href.length < 6000) location.assign(to);
});
