import ms from "ms";

Deno.serve({ port: Number(Deno.env.get("PORT")) }, () => new Response(`deno ${ms(60000)}`));
