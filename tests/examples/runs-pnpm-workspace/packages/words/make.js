require('fs').writeFileSync('made.js', 'module.exports = "built "')
