/** The class names of a style sheet. A name that it does not have is undefined. */
declare module '*.module.css' {
  const names: Readonly<Record<string, string>>;
  export default names;
}
