require('http').createServer((_, r) => r.end(`${require('words')} ${require('ms')(60000)}`)).listen(process.env.PORT)
