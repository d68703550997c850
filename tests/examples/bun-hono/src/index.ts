export default { port: process.env.PORT, fetch: () => new Response('hi') };
