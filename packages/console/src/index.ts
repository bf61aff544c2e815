/** The folder of the built pages: `index.html`, and files whose names carry a digest of their content. */
export const assets = new URL('../assets/', import.meta.url);
