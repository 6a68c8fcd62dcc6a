/** Where `/` leads: to connecting until a client has called, then to what somebody does all day. */
export function homeOf({ connected, isAdmin }: { connected: boolean; isAdmin: boolean }) {
  if (!connected) return "/connect";
  return isAdmin ? "/admin" : "/servers";
}
