export default function Page() {
  return (
    <main>
      <h1>About</h1>
      <p>This is app/about/page.jsx.</p>
    </main>
  );
}
