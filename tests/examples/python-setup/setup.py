from setuptools import setup
setup(name='bot', install_requires=['aiohttp>=3', 'flask'])
