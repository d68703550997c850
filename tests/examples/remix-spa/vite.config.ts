export default { plugins: [remix({ ssr: false })] };
