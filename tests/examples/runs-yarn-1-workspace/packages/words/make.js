require('fs').writeFileSync('made.js', `module.exports = 'built ' + require('ms')(90000, {long: true})`)
