const { Client } = require("pg");

async function main() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  await client.query("CREATE TABLE IF NOT EXISTS entries (id bigserial PRIMARY KEY, words text NOT NULL)");
  await client.end();
}

main();
