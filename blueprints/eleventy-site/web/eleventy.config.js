export default function (config) {
  config.addGlobalData("site", { title: process.env.SITE_TITLE || "My site" });
  config.addPassthroughCopy("src/style.css");
  return { dir: { input: "src", output: "_site" }, markdownTemplateEngine: "njk" };
}
