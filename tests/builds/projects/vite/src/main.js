import "./main.css";

document.body.dataset.ready = "yes";
