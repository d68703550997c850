module.exports = {
  title: "Harbour",
  url: "https://harbour.example",
  baseUrl: "/",
  onBrokenLinks: "throw",
  plugins: ["@docusaurus/plugin-content-pages"],
};
