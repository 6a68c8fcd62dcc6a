import { useNavigate, useSearch } from "@tanstack/react-router";
import { SearchInput } from "@/components/ui/input";

/** What is looked for on a page of an earlier time; in the address as `?q=`, like its time. */
export function ThenSearch({ placeholder }: { placeholder: string }) {
  const { q = "" } = useSearch({ strict: false });
  const navigate = useNavigate();
  return (
    <SearchInput
      value={q}
      placeholder={placeholder}
      className="w-64 max-sm:w-full"
      onChange={(wanted) =>
        void navigate({
          to: ".",
          search: ({ q: _, ...rest }) => (wanted ? { ...rest, q: wanted } : rest),
          replace: true,
        })
      }
    />
  );
}
