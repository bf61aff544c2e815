/**
 * What an engine is given of a call that may fail. One that does not wait for the answer would else end the whole
 * process where nobody handles the rejection; whoever waits hears of it as always.
 */
export const unheard = <T>(answer: Promise<T>): Promise<T> => {
  answer.catch(() => {});
  return answer;
};
