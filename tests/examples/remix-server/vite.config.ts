export default { plugins: [remix()] };
