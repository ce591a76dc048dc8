// The login page: sends the password, then opens the console.
import { command } from "./server.js";

const form = document.getElementById("login");
const answer = document.getElementById("login-answer");
const button = form.querySelector("button");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, password } = Object.fromEntries(new FormData(form));
  button.disabled = true;
  answer.textContent = "";
  try {
    await command("/api/login", { username, password });
    location.reload();
  } catch (error) {
    answer.textContent = error.message;
    button.disabled = false;
    form.elements.password.select();
  }
});
