/** The output streams of a command. */
export interface Output {
  /** Writes an answer, to standard output. */
  print(text: string): void;
  /** Writes everything else, to standard error. */
  remark(text: string): void;
}

export const standardOutput: Output = {
  print: (text) => console.log(text),
  remark: (text) => console.error(text),
};
