declare module "maplibre-worker-source" {
  const source: string;
  export default source;
}
