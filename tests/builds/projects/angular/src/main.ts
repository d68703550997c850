import { Component, provideExperimentalZonelessChangeDetection } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";

@Component({ selector: "app-root", template: "<h1>Harbour</h1>" })
class App {}

bootstrapApplication(App, { providers: [provideExperimentalZonelessChangeDetection()] });
