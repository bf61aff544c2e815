/** Where a command writes: answers to `print`, everything beside them to `remark`. */
export interface Output {
  print(text: string): void;
  remark(text: string): void;
}

export const standardOutput: Output = {
  print: (text) => console.log(text),
  remark: (text) => console.error(text),
};
