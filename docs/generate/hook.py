"""What mkdocs calls: adds generated pages, mends links that lead out of `docs/`."""

import reference
import repository
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = repository.outside_pages()
FILE_OF = {page: file for file, page in OUTSIDE.items() if page != "index.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in `docs/`."""
    for page, write in reference.PAGES.items():
        files.append(File.generated(config, page, content=write()))
    for page, file in FILE_OF.items():
        files.append(File.generated(config, page, content=repository.content(file)))
    for picture in sorted(repository.pictures(FILE_OF.values())):
        file = str(repository.ROOT / picture)
        files.append(File.generated(config, picture, abs_src_path=file))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to pages of the site."""
    place = page.file.src_uri
    return repository.relink(markdown, FILE_OF.get(place, f"docs/{place}"), OUTSIDE)
