module.exports = (config) => {
  config.addPassthroughCopy("main.css");
};
