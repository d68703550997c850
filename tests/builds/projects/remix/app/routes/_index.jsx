export default function Home() {
  return <h1>Harbour</h1>;
}
